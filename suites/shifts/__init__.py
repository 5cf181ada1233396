AXES = "harness.suites.shifts.axes"  # what every suite here offers for --shift

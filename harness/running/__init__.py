"""How a measurement is carried out: plan, trainings, rollouts, workers, the run's record."""

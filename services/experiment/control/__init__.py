"""`python -m services.experiment.control`: `bots` with the posterior `counts`, which experiments alone have."""

"""The mathematics of task selection: pure, deterministic, without IO or a clock.

A run's configuration is `config`; its state is a fold of its log (`fold`); what is known of the tasks is a
posterior (`posteriors`); a batch is drawn from a state by `select` and a policy (`policies`).
"""

"""The running instances of agents, as the deployment service makes them known."""

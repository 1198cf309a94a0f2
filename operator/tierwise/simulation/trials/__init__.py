"""Many simulated rollouts, and the statistics of each rule over them."""

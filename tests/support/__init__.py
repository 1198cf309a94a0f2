"""What tests share: the control plane's handles, polling with a deadline."""

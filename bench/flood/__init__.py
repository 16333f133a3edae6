"""What honest handsets notice while others flood the gateway. `make flood`; docs/reliability.md."""

"""A fleet of simulated handsets, driven by trio, that talks to the gateway as real ones would."""

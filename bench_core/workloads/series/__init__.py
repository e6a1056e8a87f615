"""Time series: recurrent networks and autoregressive models."""

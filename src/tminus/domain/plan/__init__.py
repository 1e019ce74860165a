"""What a launch is asked to be: the typed values behind launch.yaml."""

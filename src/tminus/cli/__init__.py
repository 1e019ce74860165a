"""One file per verb. Must not decide anything: verbs call what the page calls too."""

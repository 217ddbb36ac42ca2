"""What `fit` says about the normal sound: what it proves, its states, its rhythm, its outliers, and what the network is worth."""

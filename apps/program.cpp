namespace mg {}

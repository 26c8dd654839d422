package capture

// unread returns nil, since macOS has no way to read the remaining input.
func unread(int) []byte { return nil }

func typeInto(int, byte) bool { return false }

func typedAhead(int) int { return 0 } // no byte stands for the end of input on macOS

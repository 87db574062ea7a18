package rolebroker

import "strings"

// ShellCommand returns a command for a POSIX shell. It quotes the words that need quotes.
func ShellCommand(words ...string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = ShellWord(word)
	}
	return strings.Join(quoted, " ")
}

// ShellWord returns text as one word for a POSIX shell, in quotes if it needs them.
func ShellWord(text string) string {
	bare := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
			strings.ContainsRune("_@%+:,./-", r)
	}
	if text != "" && strings.TrimFunc(text, bare) == "" {
		return text
	}
	return ShellQuote(text)
}

// ShellQuote returns text in quotes, as one word for a POSIX shell.
func ShellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

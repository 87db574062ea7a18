package rolebroker

import "strings"

// ShellCommand is a command for a POSIX shell, with its words quoted where they have to be.
func ShellCommand(words ...string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = ShellWord(word)
	}
	return strings.Join(quoted, " ")
}

// ShellWord is text as one word for a POSIX shell, in quotes only if it needs them.
func ShellWord(text string) string {
	bare := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_@%+:,./-", r)
	}
	if text != "" && strings.TrimFunc(text, bare) == "" {
		return text
	}
	return ShellQuote(text)
}

// ShellQuote is text in quotes, as one word for a POSIX shell.
func ShellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

package sqlite

import (
	"regexp"
	"slices"
	"strings"
)

// What no pragma tells is read from the statements that made the schema, which
// SQLite keeps as they were written. They are known to be right, so their words are
// enough: nothing here parses SQL.

// wordPattern matches, in this order: comments, strings, quoted names, words and
// numbers, and single signs.
var wordPattern = regexp.MustCompile(`--[^\n]*|(?s:/\*.*?\*/)|'(?:[^']|'')*'|"(?:[^"]|"")*"|` + "`(?:[^`]|``)*`" + `|\[[^\]]*\]|[\pL\pN_$]+|[^\s]`)

// words splits a statement. Names in quotes keep their quotes, so that none is taken
// for a keyword.
func words(ddl string) []string {
	return slices.DeleteFunc(wordPattern.FindAllString(ddl, -1), func(w string) bool {
		return strings.HasPrefix(w, "--") || strings.HasPrefix(w, "/*")
	})
}

// reference is what a CREATE TABLE statement says of one foreign key.
type reference struct {
	name                 string
	deferrable, deferred bool
}

// declaredReferences lists the foreign keys in the order of their declaration.
func declaredReferences(ddl string) []reference {
	var found []reference
	var current *reference // nil outside of a REFERENCES clause
	name, depth := "", 0
	list := words(ddl)
	before := "" // the word
	for i, w := range list {
		w = strings.ToUpper(w)
		switch w {
		case "(":
			depth++
		case ")":
			depth--
		case ",":
			if depth == 1 { // the next column or constraint
				current, name = nil, ""
			}
		case "REFERENCES":
			found = append(found, reference{name: name})
			current, name = &found[len(found)-1], ""
		case "CONSTRAINT":
			if i+1 < len(list) {
				current, name = nil, unquote(list[i+1])
			}
		case "DEFERRABLE":
			if current != nil {
				current.deferrable = before != "NOT"
			}
		case "DEFERRED":
			if current != nil && before == "INITIALLY" {
				current.deferred = current.deferrable
			}
		}
		before = w
	}
	return found
}

func unquote(name string) string {
	switch name[0] {
	case '[':
		return name[1 : len(name)-1]
	case '"', '`', '\'':
		quote := name[:1]
		return strings.ReplaceAll(name[1:len(name)-1], quote+quote, quote)
	}
	return name
}

// triggerEvent returns DELETE, INSERT or UPDATE: the first such word behind the
// trigger's name. If there is none, it returns "".
func triggerEvent(ddl string) string {
	list := words(ddl)
	for i, w := range list {
		if i > 0 && strings.EqualFold(list[i-1], "TRIGGER") {
			continue // its name, or IF
		}
		if w = strings.ToUpper(w); w == "DELETE" || w == "INSERT" || w == "UPDATE" {
			return w
		}
	}
	return ""
}

// Package initgen writes a first configuration for the tables that a database has:
// what `lull init` prints.
package initgen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
)

// passwordVariable stands in the file where database has a password.
const passwordVariable = "LULL_DATABASE_PASSWORD"

// Generate returns a commented configuration, ready to edit, that maps every table of
// the catalog that can be mapped, most of them as hashes, and says why for the
// others. A password in database is replaced by ${LULL_DATABASE_PASSWORD}.
func Generate(cat *sink.Catalog, database string) []byte {
	g := generator{catalog: cat, words: map[string]bool{}, names: map[string]bool{}}
	g.head(database)
	for _, t := range cat.Tables {
		if !strings.HasPrefix(t.Name, "lull_") {
			g.table(t)
		}
	}
	if g.mapped > 0 {
		g.line("tables:")
		g.Write(g.tables.Bytes())
	} else {
		g.line("# No table can be mapped yet: all keys go to generic tables that Lull creates.")
	}
	if g.skipped.Len() > 0 {
		g.line("\n# Not mapped:")
		g.Write(g.skipped.Bytes())
	}
	return g.Bytes()
}

type generator struct {
	bytes.Buffer
	catalog *sink.Catalog
	tables  bytes.Buffer
	skipped bytes.Buffer
	mapped  int
	// What keys begin with, and the mappings' names, so that no two are alike.
	words, names map[string]bool
}

func (g *generator) line(format string, args ...any) { fmt.Fprintf(g, format+"\n", args...) }

func (g *generator) head(database string) {
	g.line("# Lull's configuration, made from the tables that the database has. Edit it, then run")
	g.line("# `lull check`. What stands in a comment behind a # is the default, or a proposal.")
	g.line("")
	g.line("listen: 127.0.0.1:6380      # other interfaces need a password")
	g.line("# password: ${LULL_PASSWORD}")
	g.line("data_dir: lull-data         # the log; put it on a disk of its own if you can")
	safe, replaced := withoutPassword(database)
	if replaced {
		g.line("# Set %s in the environment of Lull.", passwordVariable)
	}
	g.line("database: %s", quote(safe))
	g.line("ack: disk                   # memory: answered sooner; a power loss costs up to a second")
	g.line("# flush: {max_delay: 1s, lull: 50ms, max_rows: 10000}")
	g.line("# unmapped: reject          # or generic: keys without a table go to tables that Lull creates")
	g.line("")
}

// withoutPassword puts the variable where a database's URL has its password.
func withoutPassword(database string) (safe string, replaced bool) {
	u, err := url.Parse(database)
	if err != nil || u.User == nil {
		return database, false
	}
	password, ok := u.User.Password()
	if !ok || strings.HasPrefix(password, "${") {
		return database, false
	}
	const mark = "lull-password-here"
	u.User = url.UserPassword(u.User.Username(), mark)
	return strings.Replace(u.String(), mark, "${"+passwordVariable+"}", 1), true
}

// table writes the mapping of t, or why there is none.
func (g *generator) table(t *sink.Table) {
	spec := g.spec(t)
	if reason := g.reason(spec); reason != "" {
		fmt.Fprintf(&g.skipped, "#   %s: %s\n", oneLine(t.String()), oneLine(reason))
		g.proposal(&g.skipped, "#   ", "for appending only, "+quote(spec.Name)+":", g.stream(t, spec))
		return
	}
	if g.mapped++; g.mapped > 1 {
		g.tables.WriteString("\n")
	}
	g.entry(t, spec)
	for _, p := range []struct {
		what string
		spec mapping.Spec
	}{
		{"as a sorted set", g.sortedSet(t, spec)},
		{"as a counter", g.counter(t, spec)},
		{"for appending only", g.stream(t, spec)},
	} {
		g.proposal(&g.tables, "    # ", "or "+p.what+":", p.spec)
	}
}

// reason returns why spec cannot be, "" if it can.
func (g *generator) reason(spec mapping.Spec) string {
	t := g.catalog.Find(mapping.TableNames([]mapping.Spec{spec})[0])
	if !t.View && spec.Type == "hash" && identity(t) == nil {
		return "has no primary key, and no unique key without NULLs"
	}
	_, problems := mapping.Compile([]mapping.Spec{spec}, g.catalog, nil)
	if len(problems) == 0 {
		return ""
	}
	reasons := make([]string, len(problems))
	for i, p := range problems {
		reasons[i] = p.What
	}
	return strings.Join(slices.Compact(reasons), "; ")
}

// entry writes a mapping that can be.
func (g *generator) entry(t *sink.Table, s mapping.Spec) {
	w := &g.tables
	fmt.Fprintf(w, "  %s:\n", quote(s.Name))
	if s.Table != "" {
		fmt.Fprintf(w, "    table: %s\n", quote(s.Table))
	}
	fmt.Fprintf(w, "    key: %s\n    type: %s\n", quote(s.Key), s.Type)
	if s.Member != "" {
		fmt.Fprintf(w, "    member: %s\n", quote(s.Member))
	}
	if len(s.Columns) > 0 {
		fmt.Fprintf(w, "    columns: %s          # the others have types that Lull cannot write\n", quoteList(s.Columns))
	}
	if s.UpdatedAt != "" {
		fmt.Fprintf(w, "    updated_at: %s          # takes the time of each write\n", quote(s.UpdatedAt))
	}
	if s.Cascade != "" {
		fmt.Fprintf(w, "    cascade: %s          # its foreign keys change rows that Lull may hold in memory\n", s.Cascade)
	}
	if s.Type == "hash" {
		if made := madeFields(t, s); len(made) > 0 {
			fmt.Fprintf(w, "    # made by the database, so read-only: %s\n", oneLine(strings.Join(made, ", ")))
		}
		if i := t.Column("expires_at"); i >= 0 && isTime(&t.Columns[i]) && t.Columns[i].Nullable && t.Columns[i].Insertable {
			fmt.Fprintf(w, "    # so that EXPIRE works: {expires: expires_at, on_expire: delete}\n")
		}
	}
}

// proposal writes a spec as a comment, if it can be.
func (g *generator) proposal(w *bytes.Buffer, indent, what string, s mapping.Spec) {
	if s.Type == "" || g.reason(s) != "" {
		return
	}
	fmt.Fprintf(w, "%s%s {", indent, oneLine(what))
	for _, f := range []struct{ name, value string }{{"table", s.Table}, {"key", s.Key}, {"type", s.Type}, {"value", s.Value}, {"member", s.Member}, {"score", s.Score}} {
		switch {
		case f.value == "":
		case f.name == "key" || strings.ContainsAny(f.value, ",[]{}"):
			fmt.Fprintf(w, "%s: %s, ", f.name, doubleQuoted(f.value))
		default:
			fmt.Fprintf(w, "%s: %s, ", f.name, quote(f.value))
		}
	}
	w.Truncate(w.Len() - len(", "))
	w.WriteString("}\n")
}

func quoteList(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// oneLine keeps a name with line breaks from ending a comment.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return '?'
		}
		return r
	}, s)
}

var plainWord = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./@-]*$`)

// quote writes s as a YAML scalar that is read as s again.
func quote(s string) string {
	words := []string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
	if plainWord.MatchString(s) && !slices.Contains(words, strings.ToLower(s)) {
		return s
	}
	return doubleQuoted(s)
}

func doubleQuoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b) // a JSON string is a YAML scalar
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/lullcache/lull/internal/mapping"
)

// A setting is a name and what reads its value.
type setting struct {
	name string
	read reader
}

// A decoder goes through a YAML document and gathers complaints.
type decoder struct {
	file     string
	env      func(string) (string, bool)
	lines    map[string]int
	problems []mapping.Problem
}

func (d *decoder) complain(n *yaml.Node, where, what, remedy string) {
	d.problems = append(d.problems, mapping.Problem{File: d.file, Line: n.Line, Where: where, What: what, Remedy: remedy})
}

// document reads the one document that a file has. An empty file is fine.
func (d *decoder) document(data []byte, c *Config) {
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithAllDocuments())
	var doc, second yaml.Node
	if err == nil {
		err = loader.Load(&doc)
	}
	if errors.Is(err, io.EOF) {
		return
	}
	if err != nil {
		d.notYAML(err)
		return
	}
	if err := loader.Load(&second); err == nil {
		d.complain(&second, "", "a second document begins here", "put everything into one")
	} else if !errors.Is(err, io.EOF) {
		d.notYAML(err)
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		d.mapping(doc.Content[0], "", d.settings(c))
	}
}

// notYAML reports a text that is not YAML at all.
func (d *decoder) notYAML(err error) {
	n, what := &yaml.Node{}, err.Error()
	var le *yaml.LoadError
	if errors.As(err, &le) {
		n.Line, what = le.Mark.Line, le.Message
	}
	d.complain(n, "", "this is not YAML: "+what, "")
}

// mapping reads a block of settings.
func (d *decoder) mapping(n *yaml.Node, where string, settings []setting) {
	d.entries(n, where, func(key, n *yaml.Node) {
		at := join(where, key.Value)
		i := slices.IndexFunc(settings, func(s setting) bool { return s.name == key.Value })
		if i < 0 {
			d.complain(key, at, "there is no such setting", remedy(key.Value, settings))
			return
		}
		d.lines[at] = key.Line
		settings[i].read(d, n, at)
	})
}

// remedy names the setting that was meant, or all.
func remedy(name string, settings []setting) string {
	names := make([]string, len(settings))
	for i := range settings {
		names[i] = settings[i].name
	}
	known := slices.Sorted(maps.Keys(meant))
	for _, near := range []string{meant[strings.ToLower(name)], mapping.Nearest(name, names), meant[mapping.Nearest(name, known)]} {
		if slices.Contains(names, near) {
			return "did you mean " + near + "?"
		}
	}
	return "there are " + strings.Join(names, ", ")
}

// entries calls each for every entry of a YAML mapping.
func (d *decoder) entries(n *yaml.Node, where string, each func(key, n *yaml.Node)) {
	n = followed(n)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // `flush:` with nothing behind it
	}
	if n.Kind != yaml.MappingNode {
		what := "is not a set of settings"
		if where == "" {
			what = "the file is not a set of settings"
		}
		d.complain(n, where, what, "write `name: value` lines")
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := followed(n.Content[i])
		if key.Kind != yaml.ScalarNode {
			d.complain(key, where, "a setting's name is not a word", "")
			continue
		}
		if line, ok := seen[key.Value]; ok {
			d.complain(key, join(where, key.Value), fmt.Sprintf("stands in line %d already", line), "keep one")
			continue
		}
		seen[key.Value] = key.Line
		each(key, followed(n.Content[i+1]))
	}
}

// followed returns what an alias stands for.
func followed(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

func join(where, name string) string {
	if where == "" {
		return name
	}
	return where + "." + name
}

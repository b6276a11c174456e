package testdb

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// binaries are one installation's programs.
type binaries struct {
	server  string // path
	init    string // path of the program that makes a data directory, if there is one
	version string // what the server's --version says
}

// find looks for an installation that has the server and the program that makes
// its data directory: first in the folders of PATH, then in the engine's own, the
// highest version first.
func (e *engine) find() (binaries, error) {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	for _, pattern := range e.dirs {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return binaries{}, fmt.Errorf("search %s: %w", pattern, err)
		}
		slices.SortFunc(found, func(a, b string) int { return cmp.Compare(versionIn(b), versionIn(a)) })
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		if b, ok := e.inDir(dir, dirs); ok {
			return b, nil
		}
	}
	return binaries{}, fmt.Errorf("no %s server found: looked for %s in PATH and %s. Run \"make prepare\", or install %s",
		e.name, strings.Join(slices.Concat(e.servers, e.inits), ", "), strings.Join(e.dirs, ", "), e.packages)
}

func (e *engine) inDir(dir string, dirs []string) (b binaries, ok bool) {
	for _, name := range e.servers {
		path, ok := program(dir, name)
		if !ok {
			continue
		}
		if e.together {
			// A link in PATH leads to the folder that has the rest.
			if real, err := filepath.EvalSymlinks(path); err == nil {
				path = real
			}
		}
		out, err := exec.Command(path, "--version").Output()
		if err != nil || !strings.Contains(string(out), e.signature) {
			continue
		}
		b = binaries{server: path, version: strings.TrimSpace(string(out))}
		if len(e.inits) == 0 {
			return b, true
		}
		if b.init, ok = e.initBeside(path, dirs); ok {
			return b, true
		}
	}
	return binaries{}, false
}

// initBeside finds the program that makes data directories: beside the server,
// or, where the two are apart (sbin and bin), in any of the folders.
func (e *engine) initBeside(server string, dirs []string) (string, bool) {
	own := filepath.Dir(server)
	places := []string{own}
	if !e.together {
		prefix := filepath.Dir(own)
		places = append(places, filepath.Join(prefix, "bin"), filepath.Join(prefix, "scripts"))
		places = append(places, dirs...)
	}
	for _, dir := range places {
		for _, name := range e.inits {
			if path, ok := program(dir, name); ok {
				return path, true
			}
		}
	}
	return "", false
}

// program returns the path of an executable file. It may be a link: what a link is
// called can matter (redis-server is one to redis-check-rdb).
func program(dir, name string) (string, bool) {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	return path, err == nil && filepath.IsAbs(path) && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// versionIn returns the last number in a path, as 16 in /usr/lib/postgresql/16/bin.
func versionIn(path string) float64 {
	fields := strings.FieldsFunc(path, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if len(fields) == 0 {
		return 0
	}
	v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
	if err != nil {
		return 0
	}
	return v
}

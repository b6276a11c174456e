package lull_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The rules of ARCHITECTURE.md, "Packages", and of CONTRIBUTING.md that a program
// can check. A new package needs a line in layers.

const (
	module = "github.com/lullcache/lull"

	funcLinesMax     = 70
	fileLinesMax     = 500
	testFileLinesMax = 800
	textBytesMax     = 1 << 20 // larger files are not searched for words
)

// layers lists the packages, lowest first. A package may import those of lower
// layers only. A name that ends in "/" stands for all packages beneath it.
var layers = [][]string{
	{"value", "internal/proof"},
	{"internal/change", "internal/failpoint", "internal/fsys", "internal/resp", "internal/glob", "internal/keyhash", "internal/latch", "internal/command", "internal/metrics", "internal/prefetch", "internal/world", "sink"},
	{"internal/dirty", "internal/fsys/faultfs", "internal/testdb", "sink/sqlsink"},
	{"internal/keyspace", "internal/wal", "internal/mapping", "internal/flush", "sink/postgres", "sink/mysql", "sink/sqlite", "sink/sinktest"},
	{"."},
	{"internal/config", "internal/config/initgen", "internal/bench", "server"},
	{"cmd/"},
	{"example/demo"},
	{"example/leaderboard", "example/pageviews", "example/eventlog", "test/"},
}

// only lists packages that may import less of ours than their layer says.
var only = map[string][]string{
	"sink":            {"value"},
	"internal/change": {"value"},
	"internal/wal":    {"internal/failpoint", "internal/fsys", "internal/latch", "internal/world"}, // it carries records and knows nothing of what they mean
	"sink/sqlsink":    {"value", "sink", "internal/failpoint"},                                     // a sink knows nothing of Redis
	"sink/postgres":   {"value", "sink", "sink/sqlsink"},
	"sink/mysql":      {"value", "sink", "sink/sqlsink"},
	"sink/sqlite":     {"value", "sink", "sink/sqlsink"},
	"internal/bench":  {"internal/resp", "sink/sqlsink"},                                                                                                  // a client of the program, over the network and SQL
	"server":          {".", "value", "internal/resp", "internal/glob", "internal/keyhash", "internal/command", "internal/metrics", "internal/failpoint"}, // a client of the root
}

// pure packages take the time and the outside world as arguments.
var pure = []string{"value", "internal/change"}

var impure = []string{"time", "sync", "os", "net"}

// testOnly packages are imported by tests, and by each other.
var testOnly = []string{"internal/proof", "internal/testdb", "internal/fsys/faultfs", "sink/sinktest"}

var drivers = []string{"github.com/jackc/pgx", "github.com/go-sql-driver/mysql", "modernc.org/sqlite"}

// driversAlso are packages outside sink/ that may import drivers.
var driversAlso = []string{
	"internal/bench", // it runs plain SQL beside Lull, and checks Lull's totals by a way that is not Lull's
}

var namesForbidden = []string{"util", "utils", "common", "helper", "helpers", "types", "misc", "shared"}

// goFile is a parsed file of the module.
type goFile struct {
	path    string // from the root, with slashes
	test    bool
	lines   int
	syntax  *ast.File
	imports []string
}

func (f *goFile) dir() string { return path.Dir(f.path) }

func TestImportsPointOneWay(t *testing.T) {
	_, files := parseModule(t)
	for _, f := range files {
		from := layerOf(f.dir())
		if from < 0 {
			t.Errorf("%s: package %s is in no layer of layout_test.go: add it", f.path, f.dir())
			continue
		}
		for _, imported := range f.imports {
			to, ours := insideModule(imported)
			if f.test || !ours {
				continue
			}
			if layerOf(to) >= from && !(isTestOnly(f.dir()) && isTestOnly(to)) {
				t.Errorf("%s: imports %s, which is not below it", f.path, to)
			}
			if allowed, ok := only[f.dir()]; ok && !slices.Contains(allowed, to) {
				t.Errorf("%s: imports %s, but may import only %v of ours", f.path, to, allowed)
			}
			if isTestOnly(to) && !isTestOnly(f.dir()) && !strings.HasPrefix(f.path, "test/") {
				t.Errorf("%s: production code imports %s, which is for tests", f.path, to)
			}
		}
	}
}

func TestPurePackagesReachNothingOutside(t *testing.T) {
	_, files := parseModule(t)
	for _, f := range files {
		if f.test || !slices.Contains(pure, f.dir()) {
			continue
		}
		for _, imported := range f.imports {
			if first, _, _ := strings.Cut(imported, "/"); slices.Contains(impure, first) {
				t.Errorf("%s: imports %s, and is to be pure", f.path, imported)
			}
		}
	}
}

func TestDriversStayUnderSink(t *testing.T) {
	_, files := parseModule(t)
	for _, f := range files {
		if f.test || strings.HasPrefix(f.path, "sink/") || strings.HasPrefix(f.path, "test/") || strings.HasPrefix(f.path, "example/") || isTestOnly(f.dir()) || slices.Contains(driversAlso, f.dir()) {
			continue
		}
		for _, imported := range f.imports {
			if isDriver(imported) {
				t.Errorf("%s: imports the driver %s, which only packages under sink/ may", f.path, imported)
			}
		}
	}
}

func TestRootPullsInNoDriver(t *testing.T) {
	_, files := parseModule(t)
	reached := map[string]bool{".": true}
	for queue := []string{"."}; len(queue) > 0; queue = queue[1:] {
		for _, f := range files {
			if f.test || f.dir() != queue[0] {
				continue
			}
			for _, imported := range f.imports {
				if isDriver(imported) {
					t.Errorf("%s: the root package reaches the driver %s through here", f.path, imported)
				}
				if to, ours := insideModule(imported); ours && !reached[to] {
					reached[to] = true
					queue = append(queue, to)
				}
			}
		}
	}
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	positions, files := parseModule(t)
	for _, f := range files {
		linesMax := fileLinesMax
		if f.test {
			linesMax = testFileLinesMax
		}
		if f.lines > linesMax {
			t.Errorf("%s: %d lines, the limit is %d", f.path, f.lines, linesMax)
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			name := "a function literal"
			switch fn := n.(type) {
			case *ast.FuncDecl:
				name = fn.Name.Name
			case *ast.FuncLit:
			default:
				return true
			}
			first, last := positions.Position(n.Pos()).Line, positions.Position(n.End()).Line
			if lines := last - first + 1; lines > funcLinesMax {
				t.Errorf("%s:%d: %s has %d lines, the limit is %d", f.path, first, name, lines, funcLinesMax)
			}
			return true
		})
	}
}

func TestNothingRegistersItself(t *testing.T) {
	_, files := parseModule(t)
	for _, f := range files {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: has an init function: call what it does from where it is needed", f.path)
			}
		}
	}
}

func TestPackageNamesSayWhatIsInThem(t *testing.T) {
	_, files := parseModule(t)
	for _, f := range files {
		name := strings.TrimSuffix(f.syntax.Name.Name, "_test")
		if slices.Contains(namesForbidden, name) || slices.Contains(namesForbidden, path.Base(f.dir())) {
			t.Errorf("%s: a package called %s can hold anything: name what it holds", f.path, name)
		}
	}
}

// TestNoPlaceOfItsMakersIsInTheRepository: what is built here builds anywhere. The
// words are put together here so that this file does not hold them.
func TestNoPlaceOfItsMakersIsInTheRepository(t *testing.T) {
	forbidden := [][]byte{
		[]byte("proxy." + "golang.org"), []byte("sum." + "golang.org"), []byte("registry." + "npmjs.org"),
		[]byte("deb." + "debian.org"), []byte("pypi." + "org"), []byte("/wo" + "rk/"), []byte("/ro" + "ot/"),
	}
	walk(t, func(name string) {
		info, err := os.Stat(filepath.FromSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > textBytesMax {
			return
		}
		text, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range forbidden {
			if i := bytes.Index(text, word); i >= 0 {
				t.Errorf("%s:%d: holds %q", name, 1+bytes.Count(text[:i], []byte("\n")), word)
			}
		}
	})
}

// layerOf returns the index of the package's layer, or -1.
func layerOf(dir string) int {
	return slices.IndexFunc(layers, func(packages []string) bool {
		return slices.ContainsFunc(packages, func(p string) bool {
			return p == dir || strings.HasSuffix(p, "/") && strings.HasPrefix(dir, p)
		})
	})
}

func insideModule(imported string) (dir string, ours bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

func isTestOnly(dir string) bool { return slices.Contains(testOnly, dir) }

func isDriver(imported string) bool {
	return slices.ContainsFunc(drivers, func(d string) bool { return imported == d || strings.HasPrefix(imported, d+"/") })
}

// parseModule reads all Go files of the module, once for all tests.
func parseModule(t *testing.T) (*token.FileSet, []*goFile) {
	t.Helper()
	moduleOnce.Do(func() { modulePositions, moduleFiles = readModule(t) })
	if len(moduleFiles) == 0 {
		t.Fatal("no Go files found: the test does not run in the module's root")
	}
	return modulePositions, moduleFiles
}

var (
	moduleOnce      sync.Once
	modulePositions *token.FileSet
	moduleFiles     []*goFile
)

func readModule(t *testing.T) (*token.FileSet, []*goFile) {
	t.Helper()
	positions := token.NewFileSet()
	var files []*goFile
	walk(t, func(name string) {
		if path.Ext(name) != ".go" {
			return
		}
		syntax, err := parser.ParseFile(positions, filepath.FromSlash(name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		f := &goFile{path: name, test: strings.HasSuffix(name, "_test.go"), syntax: syntax}
		f.lines = positions.File(syntax.FileStart).LineCount()
		for _, spec := range syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			f.imports = append(f.imports, imported)
		}
		files = append(files, f)
	})
	return positions, files
}

// walk calls visit for each file of the repository, without what .gitignore names
// and without fuzzing's and Git's own.
func walk(t *testing.T, visit func(name string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", "lull-data", "testdata"}, d.Name()):
			return filepath.SkipDir
		case d.Type().IsRegular() && d.Name() != ".git" && name != "lull":
			visit(filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

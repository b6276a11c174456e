package lull_test

import (
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/proof"
	"github.com/lullcache/lull/internal/testdb"
)

// TestNoStatementsButOurs does the same work twice on a server that logs every statement:
// with harmless names and values, and with such as would end a quotation. Without what
// stands in quotations, no statement of the second time may be one that the first had not.
func TestNoStatementsButOurs(t *testing.T) {
	for _, kind := range []string{"postgres", "mariadb"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			line := proof.NewLine(t, 0)
			server, logged := loggingServer(t, kind)
			work := func(names, values []string, lullName string) []string {
				workWith(t, placeAt(t, kind, server.NewDatabase(t)), names, values, lullName)
				return logged(t)
			}
			var names, values []string
			for i := range hostileNames {
				names = append(names, fmt.Sprint("name", i))
			}
			for i, v := range hostileValues() {
				values = append(values, fmt.Sprint("value", i))
				if strings.Contains(v, ":") { // then no pattern matches it
					values[i] += ":"
				}
			}
			// What a slow machine alone sees: pgx's, if a connection was idle for a second; plans that are made anew after ten.
			ours := map[string]bool{"-- ping": true, "DEALLOCATE '.'": true}
			for _, s := range work(names, values, "harmless") {
				ours[shapeOf(kind, s)] = true
			}
			all := work(hostileNames, hostileValues(), `n'"; DROP TABLE victim; --`)
			for _, s := range all {
				if shape := shapeOf(kind, s); !ours[shape] {
					line.Invented.Add(1)
					t.Errorf("not ours: %s\n%.1000s", shape, s)
				}
			}
			line.Tried(len(all), "statements")
			line.Tried(len(ours), "shapes of statements")
		})
	}
}

// hostileValues are keys, members and values that would break out of a quotation.
func hostileValues() []string {
	return append(slices.Clone(hostileNames), `'`, `''`, `\`, `\'`, `\\'; DROP TABLE victim; -- `, "'\x00; DROP TABLE victim; -- ", "\x1a'", "’; DROP TABLE victim; --",
		`$$; DROP TABLE victim; $$`, `E'\''; DROP TABLE victim; --`, "'); DELETE FROM lull_lanes; --", "' OR '1'='1", `{"a":"'"}`, "\n'\r", "%'_", "{}',NULL,\"\\\"")
}

// loggingServer starts a server that logs what it runs, and returns how to read that.
func loggingServer(t *testing.T, kind string) (*testdb.Server, func(t *testing.T) []string) {
	t.Helper()
	if kind == "mariadb" {
		server := testdb.StartMariaDB(t, testdb.Options{Settings: map[string]string{"general_log": "1", "log_output": "TABLE"}})
		look := placeAt(t, kind, server.URL())
		return server, func(t *testing.T) (all []string) {
			for _, s := range look.rows(t, `SELECT HEX(argument) FROM mysql.general_log WHERE command_type IN ('Query', 'Prepare', 'Execute') ORDER BY event_time`) {
				text, err := hex.DecodeString(s)
				must(t, err)
				all = append(all, string(text))
			}
			return all
		}
	}
	dir, err := os.MkdirTemp("", "lull-statements-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777)) // the server has an account of its own
	server := testdb.StartPostgres(t, testdb.Options{Settings: map[string]string{"log_statement": "all", "logging_collector": "on", "log_destination": "csvlog",
		"log_directory": dir, "log_filename": "log", "log_rotation_size": "0", "log_file_mode": "0644", "log_parameter_max_length": "0"}})
	return server, func(t *testing.T) []string { return postgresStatements(t, filepath.Join(dir, "log.csv")) }
}

var postgresStatement = regexp.MustCompile(`^(?:statement|execute [^:]*|parse [^:]*): `)

func postgresStatements(t *testing.T, file string) (all []string) {
	time.Sleep(200 * time.Millisecond) // the collector writes what it has been sent
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	for r := csv.NewReader(f); ; {
		record, err := r.Read()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			return all
		}
		const message = 13
		if prefix := postgresStatement.FindString(record[message]); prefix != "" {
			all = append(all, record[message][len(prefix):])
		}
	}
}

// The parts of a statement that may differ between two of one shape: texts and names in
// quotations, and numbers.
var quotations = map[string]*regexp.Regexp{
	"postgres": regexp.MustCompile(`(?s)[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$?\b\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\b|\bNULL\b|\bt\d+\b|\blull_\d+\b`),
	"mariadb":  regexp.MustCompile("(?s)_binary'(?:[^'\\\\]|''|\\\\.)*'|'(?:[^'\\\\]|''|\\\\.)*'|\"(?:[^\"\\\\]|\"\"|\\\\.)*\"|`(?:[^`]|``)*`|\\b\\d+(?:\\.\\d+)?(?:[eE][-+]?\\d+)?\\b|\\bNULL\\b|\\bt\\d+\\b"),
}

var (
	lists     = regexp.MustCompile(`'\.'(?:, ?-?'\.')+`)
	listLists = regexp.MustCompile(`(\('\.'\)|ROW\('\.'\))(?:, ?(?:\('\.'\)|ROW\('\.'\)))+`)
)

// shapeOf is a statement without what stands in quotations, and with one of each list.
func shapeOf(kind, statement string) string {
	s := quotations[kind].ReplaceAllStringFunc(statement, func(part string) string {
		if part[0] == '`' || part[0] == '"' && kind == "postgres" {
			return `"."`
		}
		return `'.'`
	})
	if settings, ok := strings.CutPrefix(s, "SET "); ok { // the driver for MariaDB sends them in any order
		all := strings.Split(settings, ", ")
		slices.Sort(all)
		return "SET " + strings.Join(all, ", ")
	}
	return listLists.ReplaceAllString(lists.ReplaceAllString(s, `'.'`), `$1`)
}

// workWith writes, loads, changes and removes mapped rows and keys of every kind.
func workWith(t *testing.T, p *place, names, values []string, lullName string) {
	p.exec(t, `CREATE TABLE victim (id BIGINT PRIMARY KEY)`)
	var specs []lull.TableSpec
	for i, name := range names {
		name, q := trimmed(name), p.quoted
		p.exec(t, fmt.Sprintf(`CREATE TABLE %s (k TEXT(60) PRIMARY KEY, %s TEXT(60), %s TEXT(60))`, q("h"+name), q("x"+name), q(name)))
		specs = append(specs, lull.TableSpec{Name: fmt.Sprint("h", i), Table: "h" + name, Key: fmt.Sprintf("h%d:{k}", i), Type: "hash",
			Fields: map[string]string{"f": "x" + name, "g": name}})
	}
	db := openOver(t, p.sink(t), t.TempDir(), func(o *lull.Options) {
		o.Tables, o.Unmapped, o.Ack, o.Name = specs, lull.UnmappedGeneric, lull.AckMemory, lullName
		o.Flush = lull.FlushOptions{Lull: time.Hour, MaxDelay: time.Hour}
	})
	for _, step := range []func(tx *lull.Tx, key string, val []byte) error{writeKey, writeKey, removeKey} {
		for i, v := range values {
			for kind := range slices.Values([]string{"text ", "hash ", "zset ", "set ", "list ", "stream ", fmt.Sprintf("h%d:", i%len(names))}) {
				if kind[0] == 'h' && kind[1] != 'a' && strings.Contains(v, "\x00") && p.kind == "postgres" {
					continue // its text columns do not take it
				}
				must(t, unit(t.Context(), db, kind+v, true, func(tx *lull.Tx) error { return step(tx, kind+v, []byte(v)) }))
			}
		}
		syncDB(t, db)
		wantLetters(t, db)
		lull.EvictAll(db)
		must(t, lull.SweepSQL(t.Context(), db)) // the clock may have it done once more, or not
	}
	closeDB(t, db)
	p.wantRows(t, `SELECT count(*) FROM victim`, "0")
}

// writeKey writes val into a key, which its first word says the type of.
func writeKey(tx *lull.Tx, key string, val []byte) (err error) {
	k := []byte(key)
	switch word, _, _ := strings.Cut(key, " "); word {
	case "text":
		_, err = tx.Set(k, val, lull.SetOptions{})
	case "hash":
		_, err = tx.HSet(k, [][]byte{val, val, []byte("other"), val})
	case "zset":
		_, _, err = tx.ZAdd(k, lull.ZAddOptions{}, []lull.Scored{{Member: val, Score: 1}, {Member: []byte("other"), Score: 2}})
	case "set":
		_, err = tx.SAdd(k, [][]byte{val, []byte("other")})
	case "list":
		_, err = tx.Push(k, lull.Tail, [][]byte{val, []byte("other")}, false)
	case "stream":
		_, _, err = tx.XAdd(k, lull.NewStreamID{Auto: true}, [][]byte{val, val}, lull.XAddOptions{})
	default:
		_, err = tx.HSet(k, [][]byte{[]byte("f"), val, []byte("g"), val})
	}
	return err
}

// removeKey looks whether val is where writeKey put it, and removes the key.
func removeKey(tx *lull.Tx, key string, val []byte) error {
	there, err := true, error(nil)
	k := []byte(key)
	switch word, _, _ := strings.Cut(key, " "); word {
	case "hash":
		_, there, err = tx.HGet(k, val)
	case "zset":
		_, there, err = tx.ZScore(k, val)
	case "set":
		there, err = tx.SIsMember(k, val)
	}
	if err == nil && !there {
		err = fmt.Errorf("key %q lost its member", key)
	}
	if err == nil {
		_, err = tx.Del(k)
	}
	return err
}

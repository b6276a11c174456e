package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/mapping"
)

func env(name string) (string, bool) {
	v, ok := map[string]string{"DB_PASSWORD": "s3cret", "EMPTY": ""}[name]
	return v, ok
}

const whole = `
listen: 0.0.0.0:6380
data_dir: /var/lib/lull
database: postgres://app:${DB_PASSWORD}@localhost/game   # from the environment
name: game
own_schema: lull
ack: memory
flush: {max_delay: 2s, lull: 20ms, max_rows: 5_000, max_bytes: 8MB, max_transaction_rows: 20000}
log:
  segment_bytes: 16MiB
  max_bytes: 1GiB
  retain: {age: 1d, bytes: 512mib}
  sync_every: 500ms
max_dirty_rows: 100000
max_dirty_bytes: 64MiB
max_memory: 1.5GiB
write_timeout: 3s
load_timeout: 1500ms
shutdown_timeout: 1m
max_load_rows: 5000
unmapped: cache
allow_flush_all: yes
password: "a$${b}"
metrics: 127.0.0.1:9121
max_clients: 500
tables:
  players:
    key: "player:{id}"
    type: hash
    table: public.players
    fields: {nick: name, pts: score}
    columns: [name, score]
    updated_at: seen_at
    expires: gone_at
    on_expire: delete
    max_age: 0s
    warm: true
    cascade: forget
    ack: database
    max_load_rows: 7
  ticks:
    key: "ticks:{topic}"
    type: stream
    id: [ms, seq]
    tail: 100
    on_trim: delete
  scores: {key: "s:{board}", type: zset, member: m, score: p}
  views: {key: "v:{page*}", type: string, value: n}
  log: {key: "l:{topic}", type: stream, id: entry}
`

func TestParseReadsEverySetting(t *testing.T) {
	c, problems := Parse("lull.yaml", []byte(whole), env)
	for _, p := range problems {
		t.Fatal(p)
	}
	tables := c.Tables
	got := *c
	got.Tables, got.lines, got.file = nil, nil, ""
	want := Config{
		Listen: "0.0.0.0:6380", DataDir: "/var/lib/lull", Database: "postgres://app:s3cret@localhost/game", Name: "game", OwnSchema: "lull", Ack: "memory",
		Flush:        Flush{MaxDelay: 2 * time.Second, Lull: 20 * time.Millisecond, MaxRows: 5000, MaxBytes: 8e6, MaxTransactionRows: 20000},
		Log:          Log{SegmentBytes: 16 * mib, MaxBytes: gib, RetainAge: 24 * time.Hour, RetainBytes: 512 * mib, SyncEvery: 500 * time.Millisecond},
		MaxDirtyRows: 100000, MaxDirtyBytes: 64 * mib, MaxMemory: gib + gib/2,
		WriteTimeout: 3 * time.Second, LoadTimeout: 1500 * time.Millisecond, ShutdownTimeout: time.Minute,
		MaxLoadRows: 5000, Unmapped: "cache", AllowFlushAll: true, Password: "a${b}", Metrics: "127.0.0.1:9121", MaxClients: 500,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	players := tables[0]
	if players.Line != 27 || players.FieldLines["key"] != 28 || players.FieldLines["cascade"] != 38 {
		t.Errorf("lines %d, %v", players.Line, players.FieldLines)
	}
	for i := range tables {
		tables[i].File, tables[i].Line, tables[i].FieldLines = "", 0, nil
	}
	wantTables := []mapping.Spec{
		{Name: "players", Key: "player:{id}", Type: "hash", Table: "public.players", Fields: map[string]string{"nick": "name", "pts": "score"}, Columns: []string{"name", "score"},
			UpdatedAt: "seen_at", Expires: "gone_at", OnExpire: "delete", MaxAgeSet: true, Warm: true, Cascade: "forget", Ack: "database", MaxLoadRows: 7},
		{Name: "ticks", Key: "ticks:{topic}", Type: "stream", ID: []string{"ms", "seq"}, Tail: 100, OnTrim: "delete"},
		{Name: "scores", Key: "s:{board}", Type: "zset", Member: "m", Score: "p"},
		{Name: "views", Key: "v:{page*}", Type: "string", Value: "n"},
		{Name: "log", Key: "l:{topic}", Type: "stream", ID: []string{"entry"}},
	}
	if !reflect.DeepEqual(tables, wantTables) {
		t.Errorf("got  %+v\nwant %+v", tables, wantTables)
	}
}

func TestDefaultsHold(t *testing.T) {
	for _, in := range []string{"", "# nothing\n", "---\n", "flush:\n", "tables: {}\n"} {
		c, problems := Parse("", []byte(in), env)
		if len(problems) > 0 {
			t.Fatalf("%q: %v", in, problems)
		}
		want := Default()
		c.lines = want.lines
		if !reflect.DeepEqual(c, want) {
			t.Errorf("%q: got %+v, want %+v", in, c, want)
		}
	}
	if c := Default(); c.Unmapped != "generic" || c.Database != "sqlite:lull-data/lull.db" || len(c.Check()) > 0 {
		t.Errorf("%+v, %v", c, c.Check())
	}
	c, problems := Parse("", []byte("data_dir: /x\ntables: {a: {key: 'a:{b}', type: set}}"), env)
	if len(problems) > 0 || c.Unmapped != "reject" || c.Database != "sqlite:/x/lull.db" {
		t.Errorf("%+v, %v", c, problems)
	}
}

func TestComplaints(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"flush: {max_dealy: 1s}", `lull.yaml:1: flush.max_dealy: there is no such setting; did you mean max_delay?`},
		{"requirepass: x", "lull.yaml:1: requirepass: there is no such setting; did you mean password?"},
		{"zzzzzz: 1", "there are listen, data_dir"},
		{"tables:\n  a:\n    patern: x", "lull.yaml:3: tables.a.patern: there is no such setting; did you mean key?"},
		{"ack: fast", `lull.yaml:1: ack: there is no "fast"; write memory, disk, database`},
		{"\nack: disk\nlog: off", "lull.yaml:3: log: is off, but with ack: disk an answer waits for the log; write ack: memory"},
		{"log: off", "ack: disk"},
		{"ack: memory\nlog: off\ntables: {a: {ack: disk}}", "tables.a has ack: disk"},
		{"log: maybe", "neither off nor"},
		{"write_timeout: 5", `"5" is not a duration; write a number with a unit`},
		{"write_timeout: -5s", "not a duration"},
		{"max_memory: lots", `"lots" is not a size`},
		{"max_memory: 1e3MB", "not a size"},
		{"max_memory: 0.3B", "not a size"},
		{"max_memory: 10", "max_memory: 10 is too little"},
		{"max_clients: many", "not a whole number"},
		{"allow_flush_all: perhaps", "not a truth value"},
		{"listen: 6380", `"6380" is not an address`},
		{"listen: 0.0.0.0:6380", "is open to others, and there is no password"},
		{"listen: ':6380'", "is open to others"},
		{"listen: '[::]:6380'", "is open to others"},
		{"password: ${NOPE}", "lull.yaml:1: password: the environment has no variable NOPE; set it"},
		{"password: ${NOPE", "without its }"},
		{"database: oracle://x", `there is no database "oracle"`},
		{"name: ''", "use 1 to 64"},
		{"name:", "has no value"},
		{"name: [a]", "is not a single value"},
		{"flush: 1s", "flush: is not a set of settings"},
		{"just words", "the file is not a set of settings"},
		{"ack: disk\nack: memory", "lull.yaml:2: ack: stands in line 1 already"},
		{"a: [1\nb: 2", "not YAML"},
		{"ack: disk\n---\nack: disk", "second document"},
		{"flush: {lull: 5s}", "flush.lull: 5s is longer than flush.max_delay, 1s"},
		{"max_dirty_rows: 10", "below flush.max_rows"},
		{"log: {segment_bytes: 1GiB, max_bytes: 2GiB}", "fewer than 4 segments"},
		{"? [a]\n: b", "not a word"},
	} {
		_, problems := Parse("lull.yaml", []byte(tt.in), env)
		var all []string
		for _, p := range problems {
			all = append(all, p.Error())
		}
		text := strings.Join(all, "\n")
		if !strings.Contains(text, tt.want) {
			t.Errorf("%q: got %s\nwant %s", tt.in, text, tt.want)
		}
	}
}

func TestAllComplaintsAtOnce(t *testing.T) {
	_, problems := Parse("x", []byte("ack: fast\nflush: {max_delay: soon, x: 1}\nunmapped: no\nmax_memory: 1\n"), env)
	if len(problems) != 5 {
		t.Errorf("got %d: %v, want 5", len(problems), problems)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lull.yaml")
	if _, problems := Load(path); len(problems) != 1 || problems[0].File != path {
		t.Errorf("a file that is not there: %v", problems)
	}
	if err := os.WriteFile(path, []byte("name: here"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := Load(path)
	if len(problems) > 0 || c.Name != "here" {
		t.Errorf("%+v, %v", c, problems)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("a: &x {b: *x}"))
	f.Add([]byte("flush: {max_delay: 1s}\n---\n"))
	f.Add([]byte("password: ${A}${\nlog: off"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, problems := Parse("f", data, env)
		if len(problems) == 0 && len(c.Check()) > 0 {
			t.Fatalf("accepted, but %v", c.Check())
		}
	})
}

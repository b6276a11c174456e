package resp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// parse gives all commands that the reads of src hold, copied, and the error that
// ended them.
func parse(src io.Reader, l Limits, unauth bool) (commands [][]string, err error) {
	var r Reader
	r.SetLimits(l, unauth)
	for {
		if err := r.Fill(src); err != nil {
			return commands, err
		}
		for {
			args, err := r.Next()
			if err != nil {
				return commands, err
			}
			if args == nil {
				break
			}
			command := []string{}
			for _, a := range args {
				command = append(command, string(a))
			}
			commands = append(commands, command)
		}
	}
}

var requests = []struct {
	name, in string
	want     string // commands as %q, or the error
}{
	{"array", "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", `[["GET" "a"]]`},
	{"two arrays", "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n", `[["PING"] ["PING"]]`},
	{"empty argument", "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", `[["ECHO" ""]]`},
	{"line ends inside an argument", "*2\r\n$4\r\nECHO\r\n$4\r\n\r\n*1\r\n", `[["ECHO" "\r\n*1"]]`},
	{"anything in place of the line end", "*1\r\n$4\r\nPINGxxECHO a\r\n", `[["PING"] ["ECHO" "a"]]`},
	{"empty array", "*0\r\nPING\r\n", `[["PING"]]`},
	{"negative array", "*-1\r\nPING\r\n", `[["PING"]]`},
	{"empty lines", "\r\n  \r\n\nPING\r\n", `[["PING"]]`},
	{"inline", "SET a 1\r\nGET a\n", `[["SET" "a" "1"] ["GET" "a"]]`},
	{"inline quotes", `SET "a b" 'c d' ""` + "\r\n", `[["SET" "a b" "c d" ""]]`},
	{"inline escapes", `ECHO "\x41\n\q\"" 'it\'s \n' x"y z"` + "\r\n", `[["ECHO" "A\nq\"" "it's \\n" "xy z"]]`},
	{"inline after array", "*1\r\n$4\r\nPING\r\nPING\r\n", `[["PING"] ["PING"]]`},
	{"quote left open", "\"abc\r\n", "Protocol error: unbalanced quotes in request"},
	{"text after a quote", "PING \"a\"b\r\n", "Protocol error: unbalanced quotes in request"},
	{"backslash at the end", `PING "a\` + "\n", "Protocol error: unbalanced quotes in request"},
	{"array length a word", "*a\r\n", "Protocol error: invalid multibulk length"},
	{"array length empty", "*\r\n", "Protocol error: invalid multibulk length"},
	{"array length with a plus", "*+1\r\n", "Protocol error: invalid multibulk length"},
	{"array length with a zero", "*01\r\n", "Protocol error: invalid multibulk length"},
	{"array length with a space", "*1 \r\n", "Protocol error: invalid multibulk length"},
	{"array length minus zero", "*-0\r\n", "Protocol error: invalid multibulk length"},
	{"array too long", "*1048577\r\n", "Protocol error: invalid multibulk length"},
	{"array length beyond all", "*99999999999999999999\r\n", "Protocol error: invalid multibulk length"},
	{"bulk length negative", "*2\r\n$-5\r\nab", "Protocol error: invalid bulk length"},
	{"bulk length with a letter", "*1\r\n$3x\r\nabc\r\n", "Protocol error: invalid bulk length"},
	{"bulk too long", "*1\r\n$536870913\r\n", "Protocol error: invalid bulk length"},
	{"no bulk", "*1\r\nx3\r\nabc\r\n", "Protocol error: expected '$', got 'x'"},
	{"line end for a bulk", "*2\r\n$1\r\na\r\n\r\n", "Protocol error: expected '$', got ' '"},
	{"endless array length", "*" + strings.Repeat("1", 70000), "Protocol error: too big mbulk count string"},
	{"endless bulk length", "*1\r\n$" + strings.Repeat("1", 70000), "Protocol error: too big bulk count string"},
	{"endless line", strings.Repeat("A", 70000), "Protocol error: too big inline request"},
}

func result(commands [][]string, err error) string {
	var protocol *ProtocolError
	if errors.As(err, &protocol) {
		return err.Error()
	}
	return fmt.Sprintf("%q", commands)
}

func TestReaderParsesAsRedis(t *testing.T) {
	for _, tt := range requests {
		t.Run(tt.name, func(t *testing.T) {
			if got := result(parse(strings.NewReader(tt.in), DefaultLimits, false)); got != tt.want {
				t.Errorf("got %s, wanted %s", got, tt.want)
			}
		})
	}
}

// TestReaderStopsAfterAnyByte cuts the requests at every byte, and feeds them byte
// by byte.
func TestReaderStopsAfterAnyByte(t *testing.T) {
	for _, tt := range requests {
		if len(tt.in) > 1000 {
			continue
		}
		for cut := range len(tt.in) {
			parts := io.MultiReader(strings.NewReader(tt.in[:cut]), strings.NewReader(tt.in[cut:]))
			if got := result(parse(parts, DefaultLimits, false)); got != tt.want {
				t.Errorf("%s, cut at %d: got %s, wanted %s", tt.name, cut, got, tt.want)
			}
		}
		bytewise := iotest.OneByteReader(strings.NewReader(tt.in))
		if got := result(parse(bytewise, DefaultLimits, false)); got != tt.want {
			t.Errorf("%s, byte by byte: got %s, wanted %s", tt.name, got, tt.want)
		}
	}
}

func TestReaderIsTighterBeforeAuth(t *testing.T) {
	for in, want := range map[string]string{
		"*11\r\n":                "Protocol error: unauthenticated multibulk length",
		"*1\r\n$16385\r\n":       "Protocol error: unauthenticated bulk length",
		"*1\r\n$4\r\nPING\r\n":   `[["PING"]]`,
		"*1\r\n$99999999999\r\n": "Protocol error: invalid bulk length",
	} {
		if got := result(parse(strings.NewReader(in), UnauthLimits, true)); got != want {
			t.Errorf("%q: got %s, wanted %s", in, got, want)
		}
	}
}

func TestReaderLimitsACommandsBytes(t *testing.T) {
	l := Limits{BulkMax: 1 << 20, ArgsMax: 1 << 20, QueryMax: 10_000}
	_, err := parse(strings.NewReader("*2\r\n$3\r\nSET\r\n$20000\r\n"+strings.Repeat("x", 15_000)), l, false)
	if !errors.Is(err, ErrQueryTooLong) {
		t.Errorf("got %v, wanted %v", err, ErrQueryTooLong)
	}
}

// TestReaderAllocatesNothingForAnAnnouncement: what a client says it will send
// costs nothing until it does.
func TestReaderAllocatesNothingForAnAnnouncement(t *testing.T) {
	for _, in := range []string{"*1048576\r\n$536870912\r\nabc", "*1048576\r\n"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = parse(strings.NewReader(in), DefaultLimits, false)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<10 {
			t.Errorf("%q: allocated %d bytes", in, grown)
		}
	}
}

func TestReaderTakesLongArgumentsAndGivesTheBufferBack(t *testing.T) {
	long := strings.Repeat("x", 5<<20)
	in := fmt.Sprintf("*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", len(long), long)
	var r Reader
	src := strings.NewReader(in)
	var args [][]byte
	for args == nil {
		if err := r.Fill(src); err != nil {
			t.Fatal(err)
		}
		var err error
		if args, err = r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if string(args[1]) != long {
		t.Error("the argument came back changed")
	}
	_ = r.Fill(src)
	if r.Cap() > bufferKeep {
		t.Errorf("the idle reader keeps %d bytes", r.Cap())
	}
}

// TestReaderKeepsAPipelinesArguments: what Next returned stays until Fill, also
// while the arena grows.
func TestReaderKeepsAPipelinesArguments(t *testing.T) {
	var in bytes.Buffer
	for i := range 200 {
		fmt.Fprintf(&in, "*2\r\n$4\r\nECHO\r\n$3\r\n%03d\r\n", i)
	}
	var r Reader
	if err := r.Fill(&in); err != nil {
		t.Fatal(err)
	}
	var all [][][]byte
	for {
		args, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if args == nil {
			break
		}
		all = append(all, args)
	}
	for i, args := range all {
		if want := fmt.Sprintf("%03d", i); string(args[1]) != want {
			t.Fatalf("command %d: got %q, wanted %q", i, args[1], want)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, tt := range requests {
		if len(tt.in) < 1000 {
			f.Add([]byte(tt.in), 3)
		}
	}
	small := Limits{BulkMax: 1 << 10, ArgsMax: 64, QueryMax: 1 << 16}
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		whole := result(parse(bytes.NewReader(in), small, false))
		if cut = max(0, min(cut, len(in))); cut > 0 {
			parts := io.MultiReader(bytes.NewReader(in[:cut]), bytes.NewReader(in[cut:]))
			if got := result(parse(parts, small, false)); got != whole {
				t.Errorf("cut at %d: got %s, in one piece %s", cut, got, whole)
			}
		}
		if got := result(parse(iotest.OneByteReader(bytes.NewReader(in)), small, false)); got != whole {
			t.Errorf("byte by byte: got %s, in one piece %s", got, whole)
		}
	})
}

// loop reads the same bytes for ever.
type loop struct {
	data []byte
	at   int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.data[l.at:])
	l.at = (l.at + n) % len(l.data)
	return n, nil
}

func BenchmarkReader(b *testing.B) {
	command := "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000042\r\n$64\r\n" + strings.Repeat("v", 64) + "\r\n"
	src := &loop{data: []byte(strings.Repeat(command, 64))}
	var r Reader
	b.ReportAllocs()
	b.SetBytes(int64(len(command)))
	for n := 0; n < b.N; {
		args, err := r.Next()
		if err != nil {
			b.Fatal(err)
		}
		if args != nil {
			n++
			continue
		}
		if err := r.Fill(src); err != nil {
			b.Fatal(err)
		}
	}
}

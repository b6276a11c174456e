package server

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/command"
	"github.com/lullcache/lull/sink/sqlite"
	"github.com/lullcache/lull/sink/sqlsink"
)

const loadingError = "-LOADING Lull is loading the log into memory"

// startWithoutEngine serves before there is an engine. use opens one.
func startWithoutEngine(t *testing.T, o Options) (s *Server, use func()) {
	t.Helper()
	ctx := context.Background()
	o.Addr = "127.0.0.1:0"
	sink, err := sqlite.Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "lull.db"), sqlsink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s, err = Listen(o); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; !errors.Is(err, ErrClosed) {
			t.Errorf("serve: %v", err)
		}
		if db := s.db.Load(); db != nil {
			if err := db.Close(ctx); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		_ = sink.Close()
	})
	return s, func() {
		db, err := lull.Open(ctx, lull.Options{DataDir: t.TempDir(), Sink: sink, Log: lull.LogOptions{SegmentBytes: 1 << 20}})
		if err != nil {
			t.Fatal(err)
		}
		s.Use(db)
	}
}

func TestClientsAreToldThatTheLogIsBeingLoaded(t *testing.T) {
	s, use := startWithoutEngine(t, Options{})
	c := dial(t, s)
	for _, command := range []string{"PING", "GET a", "SET a 1", "EXISTS a", "DBSIZE", "WATCH a", "LULL STATUS", "WAIT 1 0", "MEMORY PURGE"} {
		c.ask(command, loadingError)
	}
	c.ask("GET", "-ERR wrong number of arguments for 'get' command")
	c.ask("ECHO hello", "$5 | hello")
	c.ask("CLIENT SETNAME ann", "+OK")
	c.ask("CONFIG GET maxclients", "*2 | $10 | maxclients | $5 | 10000")
	c.ask("CONFIG SET maxmemory 1mb", "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - Lull is loading the log into memory")
	c.ask("SELECT 3", "+OK")
	c.ask("UNWATCH", "+OK")
	use()
	c.ask("PING", "+PONG")
	c.ask("SET a 1", "+OK")
	c.ask("SELECT 0", "+OK")
	c.ask("GET a", "$-1")
	c.ask("CLIENT GETNAME", "$3 | ann")
}

func TestATransactionBegunBeforeTheLogIsLoadedDoesNothing(t *testing.T) {
	s, use := startWithoutEngine(t, Options{})
	c := dial(t, s)
	c.ask("MULTI", "+OK")
	c.ask("EXEC", "-EXECABORT Transaction discarded because of: "+loadingError[1:])
	c.ask("MULTI", "+OK")
	c.ask("SET a 1", loadingError)
	use()
	c.ask("SET b 1", "+QUEUED")
	c.ask("EXEC", "-EXECABORT Transaction discarded because of previous errors.")
	c.ask("EXISTS a b", ":0")
}

func TestAPasswordIsAskedForBeforeTheLogIsLoaded(t *testing.T) {
	s, use := startWithoutEngine(t, Options{Password: "secret"})
	c := dial(t, s)
	c.ask("GET a", "-NOAUTH Authentication required.")
	c.ask("AUTH secret", "+OK")
	c.ask("GET a", loadingError)
	use()
	c.ask("GET a", "$-1")
}

func TestInfoShowsHowMuchOfTheLogIsLoaded(t *testing.T) {
	s, use := startWithoutEngine(t, Options{})
	c := client(t, s)
	s.Replayed(250, 1000)
	text := ask(t, c, "INFO", "persistence").(string)
	for _, want := range []string{"loading:1\r\n", "loading_total_bytes:1000\r\n", "loading_loaded_bytes:250\r\n", "loading_loaded_perc:25.00\r\n", "loading_eta_seconds:"} {
		if !strings.Contains(text, want) {
			t.Errorf("INFO has no %q: %s", want, text)
		}
	}
	if all := ask(t, c, "INFO").(string); !strings.Contains(all, "# Lull\r\n") || !strings.Contains(all, "loading:1\r\n") {
		t.Errorf("INFO: %s", all)
	}
	use()
	if text = ask(t, c, "INFO", "persistence").(string); !strings.Contains(text, "loading:0\r\n") || strings.Contains(text, "loading_") {
		t.Errorf("INFO with the engine open: %s", text)
	}
}

// TestNoCommandNeedsTheEngineBeforeItIsThere sends every command without an engine.
func TestNoCommandNeedsTheEngineBeforeItIsThere(t *testing.T) {
	s, _ := startWithoutEngine(t, Options{})
	every(command.All(), func(name string, cmd *command.Command) {
		n := cmd.Arity
		if n < 0 {
			n = -n
		}
		for more := range 3 {
			words := strings.Fields(name)
			for len(words) < n+more {
				words = append(words, "1")
			}
			c := dial(t, s)
			c.send(strings.Join(words, " ") + "\r\n")
			if got := c.lines(1); !cmd.Is(command.Loading) && got != loadingError && !strings.HasPrefix(got, "-ERR wrong number") && !strings.HasPrefix(got, "-ERR unknown") {
				t.Errorf("%v: got %q", words, got)
			}
			_ = c.Close()
		}
	})
}

// every calls f for the commands that have no subcommands, and for all subcommands.
func every(commands []command.Command, f func(name string, cmd *command.Command)) {
	for i := range commands {
		cmd := &commands[i]
		if cmd.Subcommands == nil {
			f(strings.ReplaceAll(cmd.FullName(), "|", " "), cmd)
		}
		every(cmd.Subcommands, f)
	}
}

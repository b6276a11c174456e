package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lullcache/lull/internal/fsys"
	"github.com/lullcache/lull/internal/wal"
)

// runLog looks at, or repairs, the log of a data directory that nobody serves from.
func runLog(_ context.Context, args []string) error {
	const wanted = "lull log: wanted verify, dump or repair"
	if len(args) == 0 {
		return &usageError{wanted}
	}
	do, known := map[string]func(dir string, o *logOptions) error{"verify": verifyLog, "dump": dumpLog, "repair": repairLog}[args[0]]
	fs := newOptionSet("log "+args[0], "Looks at the log of a Lull that does not run.")
	var f configFlags
	fs.StringVar(&f.file, "config", "", "the configuration `file`, for its data_dir")
	fs.StringVar(&f.dataDir, "data-dir", "", "the `folder` that has the log (default lull-data)")
	var o logOptions
	if args[0] == "dump" {
		fs.Uint64Var(&o.after, "after", 0, "begin after this `position`")
		fs.BoolVar(&o.all, "all", false, "show frames without records too")
	}
	switch {
	case args[0] == "-h" || args[0] == "--help":
		fmt.Println("usage: lull log verify|dump|repair [--data-dir lull-data]\n\n" +
			"  verify   read the whole log and report what is not as it should be; changes nothing\n" +
			"  dump     print every record in a readable form\n" +
			"  repair   make a damaged log usable again, keeping every intact record; damaged files are kept beside\n\n" +
			"`lull log verify -h` lists the options.")
		return nil
	case !known:
		return &usageError{fmt.Sprintf("%s, got %q", wanted, args[0])}
	}
	if err := fs.parse(args[1:]); err != nil {
		return err
	}
	c, err := f.load()
	if err != nil {
		return err
	}
	return withLog(c.DataDir, func(dir string) error { return do(dir, &o) })
}

// logOptions are those of dump.
type logOptions struct {
	after uint64
	all   bool
}

// withLog holds the data directory's lock, so that nobody writes meanwhile.
func withLog(dataDir string, do func(dir string) error) error {
	dir := filepath.Join(dataDir, "log")
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("no log in %s: %w; name the folder with --data-dir", dataDir, err)
	}
	lock, err := (fsys.OS{}).Lock(dataDir)
	if err != nil {
		return fmt.Errorf("data directory: %w; stop that Lull first", err)
	}
	return errors.Join(do(dir), lock.Close())
}

func verifyLog(dir string, _ *logOptions) error {
	report, err := wal.Verify(fsys.OS{}, dir)
	printReport(&report, "would be")
	switch {
	case err != nil:
		return err
	case len(report.Damage) > 0:
		return fmt.Errorf("the log is damaged in %d places; lull log repair keeps every intact record", len(report.Damage))
	}
	fmt.Println("the log is intact")
	return nil
}

func repairLog(dir string, _ *logOptions) error {
	report, err := wal.Repair(fsys.OS{}, dir)
	if err != nil {
		printReport(&report, "would be")
		return err
	}
	if len(report.Damage) == 0 {
		fmt.Println("the log is intact; nothing was changed")
		return nil
	}
	printReport(&report, "is")
	fmt.Println("repaired; each file that was changed is kept beside with .damaged behind its name")
	return nil
}

// printReport shows what a log is made of, what is damaged, and what is lost then.
func printReport(r *wal.Report, lost string) {
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	fmt.Fprintf(w, "log %s: %d records after position %d, up to %d; on disk for certain up to %d\n", r.ID, r.Records, r.Oldest, r.End, r.Durable)
	for _, s := range r.Segments {
		note := ""
		switch {
		case s.Damaged:
			note = "  damaged"
		case !s.InLog:
			note = "  not in use"
		}
		fmt.Fprintf(w, "  %s  from %d  %d bytes  %d records%s\n", filepath.Base(s.File), s.Base, s.Bytes, s.Records, note)
	}
	if r.Tail.Bytes > 0 {
		fmt.Fprintf(w, "an unfinished end of %d bytes at %s offset %d: normal after a crash, the next start cuts it off\n",
			r.Tail.Bytes, filepath.Base(r.Tail.File), r.Tail.Offset)
	}
	for _, d := range r.Damage {
		fmt.Fprintf(w, "damage: %s at offset %d: %s\n", filepath.Base(d.File), d.Offset, d.Why)
	}
	for _, l := range r.Lost {
		was := lost
		if l.Before {
			was = "was, by an earlier repair,"
		}
		fmt.Fprintf(w, "what stood between positions %d and %d %s lost (%s)\n", l.After, l.UpTo, was, filepath.Base(l.File))
	}
}

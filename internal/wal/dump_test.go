package wal

import (
	"errors"
	"testing"
)

func TestDumpShowsEveryFrame(t *testing.T) {
	im, want := sampleLog(t)
	fs := im.fs(1)
	kinds := map[string]int{}
	var got []rec
	if err := Dump(fs, testDir, 0, func(e DumpEntry) error {
		kinds[e.Kind]++
		if e.Record != nil {
			got = append(got, rec{e.Pos, string(e.Record)})
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	sameRecords(t, got, want)
	for _, kind := range []string{"record", "first part", "last part", "preamble", "mark"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s: %v", kind, kinds)
		}
	}
	for i, r := range want {
		var from []rec
		Dump(fs, testDir, r.pos, func(e DumpEntry) error {
			if e.Record != nil {
				from = append(from, rec{e.Pos, string(e.Record)})
			}
			return nil
		})
		sameRecords(t, from, want[i+1:])
	}
	stop := errors.New("enough")
	if err := Dump(fs, testDir, 0, func(DumpEntry) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("got %v", err)
	}
}

func TestDumpStopsAtDamage(t *testing.T) {
	im, want := sampleLog(t)
	im[segmentName(testDir, 1)][want[2].pos-4]++
	var got []rec
	err := Dump(im.fs(1), testDir, 0, func(e DumpEntry) error {
		if e.Record != nil {
			got = append(got, rec{e.Pos, string(e.Record)})
		}
		return nil
	})
	if !errors.Is(err, ErrDamaged) {
		t.Fatalf("got %v", err)
	}
	sameRecords(t, got, want[:2])
}

func TestVerifyOfAnEmptyDirectory(t *testing.T) {
	im := image{"log/other": nil}
	report, err := Verify(im.fs(1), testDir)
	if err != nil || report.ID != "" || len(report.Damage) > 0 {
		t.Fatalf("got %+v, %v", report, err)
	}
}

package lull_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/lullcache/lull"
)

const tagsTable = "CREATE TABLE tags (item TEXT NOT NULL, tag INTEGER NOT NULL, note TEXT DEFAULT 'new', PRIMARY KEY (item, tag))"

func openTags(t *testing.T, statements ...string) (*lull.DB, *sql.DB) {
	t.Helper()
	dir := t.TempDir()
	raw := inSQL(t, dir, append([]string{tagsTable}, statements...)...)
	db := openSQLite(t, dir, func(o *lull.Options) {
		o.Unmapped = lull.UnmappedGeneric
		o.Tables = []lull.TableSpec{{Name: "tags", Key: "tags:{item}", Type: "set", Member: "tag"}}
	})
	t.Cleanup(func() { closeDB(t, db) })
	return db, raw
}

func sadd(t *testing.T, db *lull.DB, key string, members ...string) error {
	t.Helper()
	return try(t, db, func(tx *lull.Tx) error {
		_, err := tx.SAdd([]byte(key), words(members...))
		return err
	}, key)
}

func srem(t *testing.T, db *lull.DB, key string, members ...string) error {
	t.Helper()
	return try(t, db, func(tx *lull.Tx) error {
		_, err := tx.SRem([]byte(key), words(members...))
		return err
	}, key)
}

func store(t *testing.T, db *lull.DB, op lull.SOp, dst string, keys ...string) (n int, err error) {
	t.Helper()
	err = try(t, db, func(tx *lull.Tx) (err error) {
		n, err = tx.SCombineStore([]byte(dst), op, words(keys...))
		return err
	}, append(keys, dst)...)
	return n, err
}

// sshow returns a set as text, its members sorted.
func sshow(t *testing.T, db *lull.DB, key string) string {
	t.Helper()
	var members []string
	do(t, db, key, func(tx *lull.Tx) error {
		members = members[:0]
		all, err := tx.SMembers([]byte(key))
		all.Each(func(m []byte) bool {
			members = append(members, string(m))
			return true
		})
		return err
	})
	slices.Sort(members)
	return strings.Join(members, " ")
}

func notes(t *testing.T, raw *sql.DB) string {
	t.Helper()
	return strings.Join(rowsOf(t, raw, "SELECT item, tag, note FROM tags ORDER BY item, tag"), ", ")
}

func TestAMappedSetIsItsRows(t *testing.T) {
	db, raw := openTags(t)
	if err := sadd(t, db, "tags:a", "1", "2", "3"); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, "another spelling", sadd(t, db, "tags:a", "9", "01"), "must be written as")
	wantRefusal(t, "a text", sadd(t, db, "tags:a", "9", "x"), "tags.tag")
	wantRefusal(t, "another spelling removed", srem(t, db, "tags:a", "1", "01"), "must be written as")
	if err := srem(t, db, "tags:a", "2", "8"); err != nil {
		t.Fatal(err)
	}
	flushed(t, db)
	wantText(t, "rows", notes(t, raw), "a 1 new, a 3 new")
	wantText(t, "the set", sshow(t, db, "tags:a"), "1 3")
}

func TestTheLastMemberGoesWithoutTheRowsOfOthers(t *testing.T) {
	db, raw := openTags(t, "INSERT INTO tags VALUES ('a', 1, 'old'), ('b', 2, 'old')")
	wantText(t, "the set", sshow(t, db, "tags:a"), "1")
	wantText(t, "the set", sshow(t, db, "tags:b"), "2")
	inserted := "INSERT INTO tags VALUES ('a', 5, 'theirs'), ('b', 5, 'theirs')"
	if _, err := raw.ExecContext(t.Context(), inserted); err != nil {
		t.Fatal(err)
	}
	if err := srem(t, db, "tags:a", "1"); err != nil {
		t.Fatal(err)
	}
	do(t, db, "tags:b", func(tx *lull.Tx) error {
		_, err := tx.SPop([]byte("tags:b"), 10, func([]byte) {})
		return err
	})
	wantText(t, "the set", sshow(t, db, "tags:a"), "")
	flushed(t, db)
	wantText(t, "rows", notes(t, raw), "a 5 theirs, b 5 theirs")
}

func TestStoringIntoAMappedSetKeepsTheRowsThatStay(t *testing.T) {
	db, raw := openTags(t, "INSERT INTO tags VALUES ('a', 1, 'old'), ('a', 2, 'old'), ('b', 2, 'old')")
	if err := sadd(t, db, "source", "2", "3"); err != nil {
		t.Fatal(err)
	}
	if n, err := store(t, db, lull.SUnion, "tags:a", "source"); n != 2 || err != nil {
		t.Errorf("SUNIONSTORE: got %d, %v, wanted 2", n, err)
	}
	flushed(t, db)
	wantText(t, "rows", notes(t, raw), "a 2 old, a 3 new, b 2 old")
	if n, err := store(t, db, lull.SInter, "tags:b", "tags:b", "tags:a"); n != 1 || err != nil {
		t.Errorf("SINTERSTORE: got %d, %v, wanted 1", n, err)
	}
	if n, err := store(t, db, lull.SDiff, "tags:a", "tags:a", "tags:a"); n != 0 || err != nil {
		t.Errorf("SDIFFSTORE: got %d, %v, wanted 0", n, err)
	}
	flushed(t, db)
	wantText(t, "rows", notes(t, raw), "b 2 old")
	if err := sadd(t, db, "source", "x"); err != nil {
		t.Fatal(err)
	}
	_, err := store(t, db, lull.SUnion, "tags:b", "source")
	wantRefusal(t, "a member that the column does not take", err, "tags.tag")
	wantText(t, "the set", sshow(t, db, "tags:b"), "2")
}

func TestStoringInATransactionLoadsWhatStays(t *testing.T) {
	db, raw := openTags(t, "INSERT INTO tags VALUES ('a', 1, 'old'), ('a', 2, 'old')")
	if err := sadd(t, db, "source", "2", "3"); err != nil {
		t.Fatal(err)
	}
	s := db.NewSession()
	keys := []lull.KeyNeed{{Name: []byte("tags:a")}, {Name: []byte("source"), Need: lull.NeedAll}}
	_, err := s.ExecMulti(t.Context(), keys, false, true, lull.RunFunc(func(tx *lull.Tx) error {
		_, err := tx.SCombineStore([]byte("tags:a"), lull.SUnion, words("source"))
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	flushed(t, db)
	wantText(t, "rows", notes(t, raw), "a 2 old, a 3 new")
}

// A destination that nobody has looked at is replaced without a load.
func TestStoringOverAnUnknownKeyReplacesIt(t *testing.T) {
	db, raw := openTags(t)
	for _, key := range []string{"list", "source"} {
		if err := sadd(t, db, key, "2", "3"); err != nil {
			t.Fatal(err)
		}
	}
	do(t, db, "dst", func(tx *lull.Tx) error {
		_, err := tx.Push([]byte("dst"), lull.Tail, words("a", "b"), false)
		return err
	})
	flushed(t, db)
	s := db.NewSession()
	s.Forget([]byte("dst"))
	s.Forget([]byte("list"))
	for dst, op := range map[string]lull.SOp{"dst": lull.SUnion, "list": lull.SDiff} {
		if _, err := store(t, db, op, dst, "source", "nothing"); err != nil {
			t.Fatal(err)
		}
	}
	flushed(t, db)
	wantText(t, "lists", strings.Join(rowsOf(t, raw, "SELECT * FROM lull_lists"), ", "), "")
	wantText(t, "sets", strings.Join(rowsOf(t, raw, "SELECT key, member FROM lull_sets ORDER BY key, member"), ", "),
		"dst 2, dst 3, list 2, list 3, source 2, source 3")
	s.Forget([]byte("dst"))
	wantText(t, "the set", sshow(t, db, "dst"), "2 3")
}

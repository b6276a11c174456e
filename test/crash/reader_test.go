package crash

import (
	"strings"
	"testing"
)

// TestReaderSeesTornStates writes states into SQL by hand that no cache had: the reader
// of TestKill finds each of them, and nothing in those that may be.
func TestReaderSeesTornStates(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *database) {
		in := newInstance(t, release)
		in.configure("database: " + d.url + "\n" + mappings)
		in.start() // makes Lull's own tables
		rdb := in.client()
		for _, args := range [][]any{
			{"HSET", "parent:1", "child", 0, "n", 5}, {"HSET", "child:1:0", "n", 5}, {"HSET", "child:1:1", "n", 4},
			{"ZADD", "bank", 10, "m0", -10, "m1"},
			{"SET", "views:order-1", 7}, {"SET", "order-1", 6}, {"SET", "views:order-2", 1}, {"SET", "other", 9},
			{"MSET", "views:twin-1", 3, "twin-1", 3},
		} {
			if err := rdb.Do(t.Context(), args...).Err(); err != nil {
				t.Fatalf("%v: %v", args, err)
			}
		}
		rdb.Close()
		in.end(0)
		d.wantTorn(t, "what Lull wrote")
		for _, c := range []struct{ what, tear, mend, says string }{
			{"half of a transfer, in a mapped table", "UPDATE accounts SET balance = balance + 3 WHERE id = 1", "UPDATE accounts SET balance = balance - 3 WHERE id = 1", "10003 in all accounts"},
			{"half of a transfer, in a generic table", "UPDATE lull_zsets SET score = score - 3 WHERE score = 10", "UPDATE lull_zsets SET score = score + 3 WHERE score = 7", "9997 in all accounts"},
			{"a parent without its child", "DELETE FROM children WHERE no = 0", "INSERT INTO children VALUES (1, 0, 5)", "1 parents without"},
			{"a child without its parent", "DELETE FROM parents", "INSERT INTO parents VALUES (1, 0, 5)", "2 children without"},
			{"a child newer than its parent", "UPDATE children SET n = 6 WHERE no = 1", "UPDATE children SET n = 4 WHERE no = 1", "1 children without"},
			{"the later write without the earlier", "UPDATE page_views SET views = 5 WHERE page = 'order-1'", "UPDATE page_views SET views = 7 WHERE page = 'order-1'", "order-1 = 5 and 6"},
			{"no earlier write at all", "DELETE FROM page_views WHERE page = 'order-1'", "INSERT INTO page_views VALUES ('order-1', 7)", "order-1 = 0 and 6"},
			{"half of an MSET", "UPDATE page_views SET views = 4 WHERE page = 'twin-1'", "UPDATE page_views SET views = 3 WHERE page = 'twin-1'", "twin-1 = 4 and 3"},
			{"one row of an MSET", "DELETE FROM page_views WHERE page = 'twin-1'", "INSERT INTO page_views VALUES ('twin-1', 3)", "twin-1 =  and 3"},
		} {
			d.write(t, c.tear)
			d.wantTorn(t, c.what, c.says)
			d.write(t, c.mend)
			d.wantTorn(t, "mended: "+c.what)
		}
		d.write(t, "UPDATE lull_lanes SET catching_up = true")
		if _, whole, err := d.read(t.Context(), d.sql); whole || err != nil {
			t.Errorf("between the parts of a cut: got %v, %v, want a state that is not whole", whole, err)
		}
	})
}

func (d *database) write(t *testing.T, statement string) {
	t.Helper()
	result, err := d.sql.ExecContext(t.Context(), statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	if n, err := result.RowsAffected(); n != 1 || err != nil {
		t.Fatalf("%s: %d rows, %v, want 1", statement, n, err)
	}
}

// wantTorn wants exactly this to be found in what SQL holds.
func (d *database) wantTorn(t *testing.T, what string, says ...string) {
	t.Helper()
	s, whole, err := d.read(t.Context(), d.sql)
	if err != nil || !whole {
		t.Fatalf("%s: reading the state: whole %v, %v", what, whole, err)
	}
	got := s.torn()
	for _, a := range s.ahead() {
		got = append(got, a.what)
	}
	bad := len(got) != len(says)
	for i := range says {
		bad = bad || !strings.Contains(got[i], says[i])
	}
	if bad {
		t.Errorf("%s: the reader finds %q, want %q", what, got, says)
	}
}

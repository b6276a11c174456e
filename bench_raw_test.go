package lull_test

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// raw does without Lull what Lull does: the same driver, the method that measured best
// for it, one transaction.
type raw struct {
	kind string
	pg   *pgx.Conn
	sql  *sql.Conn
}

// rawAtOnce is how many rows go into one statement.
const rawAtOnce = 1000

func newRaw(b *testing.B, p *place) *raw {
	b.Helper()
	r := &raw{kind: p.kind}
	var err error
	if p.kind == "postgres" {
		if r.pg, err = pgx.Connect(b.Context(), p.url); err == nil {
			b.Cleanup(func() { _ = r.pg.Close(context.Background()) })
		}
	} else {
		if r.sql, err = p.direct.Conn(b.Context()); err == nil {
			b.Cleanup(func() { _ = r.sql.Close() })
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// playersFilled makes rows 0 to n-1.
func playersFilled(kind string, n int) string {
	switch kind {
	case "postgres":
		return fmt.Sprintf(`INSERT INTO players SELECT n, 'player ' || n, 0, 0 FROM generate_series(0, %d) AS n`, n-1)
	case "mariadb":
		return fmt.Sprintf(`INSERT INTO players SELECT seq, concat('player ', seq), 0, 0 FROM seq_0_to_%d`, n-1)
	}
	return fmt.Sprintf(`INSERT INTO players WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < %d) SELECT n, 'player ' || n, 0, 0 FROM s`, n-1)
}

func (r *raw) update(b *testing.B, rows, version int) {
	b.Helper()
	var err error
	switch r.kind {
	case "postgres":
		err = r.updatePostgres(b.Context(), rows, version)
	case "mariadb":
		err = r.updateMariaDB(b.Context(), rows, version)
	default:
		err = r.updateSQLite(b.Context(), rows, version)
	}
	if err != nil {
		b.Fatal(err)
	}
}

func (r *raw) updatePostgres(ctx context.Context, rows, version int) error {
	return pgx.BeginFunc(ctx, r.pg, func(tx pgx.Tx) error {
		for from := 0; from < rows; from += rawAtOnce {
			n := min(rawAtOnce, rows-from)
			ids, scores, seen := make([]int64, n), make([]int64, n), make([]int64, n)
			for i := range n {
				ids[i], scores[i], seen[i] = int64(from+i), int64(from+i+version), int64(version)
			}
			_, err := tx.Exec(ctx, `UPDATE players AS t SET score = s.score, seen = s.seen
				FROM unnest($1::int8[], $2::int8[], $3::int8[]) AS s(id, score, seen) WHERE t.id = s.id`, ids, scores, seen)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *raw) updateMariaDB(ctx context.Context, rows, version int) error {
	if _, err := r.sql.ExecContext(ctx, "START TRANSACTION"); err != nil {
		return err
	}
	var b strings.Builder
	for from := 0; from < rows; from += rawAtOnce {
		n := min(rawAtOnce, rows-from)
		b.Reset()
		b.WriteString("UPDATE (WITH s (id, score, seen) AS (VALUES ")
		for i := range n {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "(%d, %d, %d)", from+i, from+i+version, version)
		}
		b.WriteString(") SELECT * FROM s) AS s STRAIGHT_JOIN players AS t ON t.id = s.id SET t.score = s.score, t.seen = s.seen")
		if _, err := r.sql.ExecContext(ctx, b.String()); err != nil {
			return err
		}
	}
	_, err := r.sql.ExecContext(ctx, "COMMIT")
	return err
}

func (r *raw) updateSQLite(ctx context.Context, rows, version int) error {
	tx, err := r.sql.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	st, err := tx.PrepareContext(ctx, "UPDATE players SET score = ?, seen = ? WHERE id = ?")
	if err != nil {
		return err
	}
	for i := range rows {
		if _, err := st.ExecContext(context.WithoutCancel(ctx), int64(i+version), int64(version), int64(i)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (r *raw) copy(b *testing.B, rows, round int) {
	b.Helper()
	_, err := r.pg.CopyFrom(b.Context(), pgx.Identifier{"events"}, []string{"topic", "id", "player", "amount"},
		pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
			return []any{"signup", strconv.Itoa(1_790_000_000_000+round) + "-" + strconv.Itoa(i), int64(i), 12.5}, nil // ids as XADD gives them
		}))
	if err != nil {
		b.Fatal(err)
	}
}

func (r *raw) load(b *testing.B, rows int) {
	b.Helper()
	ids := make([]int64, 0, benchPipeline)
	got := 0
	for i := range rows {
		ids = append(ids, int64(i*7919%rows))
		if len(ids) < benchPipeline && i < rows-1 {
			continue
		}
		found, err := r.pg.Query(b.Context(), "SELECT id, name, score, seen FROM players WHERE id = ANY($1)", ids)
		if err != nil {
			b.Fatal(err)
		}
		var id, score, seen int64
		var name string
		_, err = pgx.ForEachRow(found, []any{&id, &name, &score, &seen}, func() error { got++; return nil })
		if err != nil {
			b.Fatal(err)
		}
		ids = ids[:0]
	}
	if got != rows {
		b.Fatalf("loaded %d rows, wanted %d", got, rows)
	}
}

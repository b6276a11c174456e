package lull_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/sink/sqlite"
	"github.com/lullcache/lull/sink/sqlsink"
)

// Player is a row of the table players. Its fields are the columns name, score and
// last_seen; a NULL is a nil pointer.
type Player struct {
	Name     string
	Score    int64
	LastSeen *string
}

// game is an engine over a fresh SQLite file with a table of players.
type game struct {
	*lull.DB
	sql *sql.DB
	end func()
}

func openGame(ctx context.Context) *game {
	dir, err := os.MkdirTemp("", "lull-example-")
	if err != nil {
		log.Fatal(err)
	}
	file := filepath.Join(dir, "game.db")
	database, err := sqlite.Open(ctx, "sqlite:"+file, sqlsink.Options{})
	if err != nil {
		log.Fatal(err)
	}
	direct, err := sql.Open("sqlite", file)
	if err != nil {
		log.Fatal(err)
	}
	const schema = `CREATE TABLE players (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '', score INTEGER NOT NULL DEFAULT 0, last_seen TEXT)`
	if _, err := direct.ExecContext(ctx, schema); err != nil {
		log.Fatal(err)
	}
	db, err := lull.Open(ctx, lull.Options{
		DataDir: filepath.Join(dir, "data"),
		Sink:    database,
		Tables:  []lull.TableSpec{{Name: "players", Key: "player:{id}", Type: "hash"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	return &game{db, direct, func() {
		if err := db.Close(ctx); err != nil {
			log.Fatal(err)
		}
		_ = direct.Close()
		_ = database.Close()
		_ = os.RemoveAll(dir)
	}}
}

// query prints a row of players as SQL has it.
func (g *game) query(ctx context.Context, id int) {
	var name string
	var score int64
	err := g.sql.QueryRowContext(ctx, "SELECT name, score FROM players WHERE id = ?", id).Scan(&name, &score)
	if errors.Is(err, sql.ErrNoRows) {
		fmt.Println("SQL: no such row")
		return
	}
	fmt.Println("SQL:", name, score, err)
}

func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "lull-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	database, err := sqlite.Open(ctx, "sqlite:"+filepath.Join(dir, "lull.db"), sqlsink.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer database.Close()
	db, err := lull.Open(ctx, lull.Options{
		DataDir: filepath.Join(dir, "data"),
		Sink:    database,
		OnEvent: func(e lull.Event) { log.Println(e.Kind, e.Text, e.Err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	session := db.NewSession()
	key := []byte("visits")
	ticket, err := session.Exec(ctx, [][]byte{key}, true, lull.RunFunc(func(tx *lull.Tx) error {
		n, err := tx.IncrBy(key, 3)
		fmt.Println("visits:", n, err)
		return err
	}))
	if err == nil {
		err = session.Wait(ctx, ticket) // on disk
	}
	fmt.Println("answered:", err)
	fmt.Println("closed:", db.Close(ctx)) // in SQL
	// Output:
	// visits: 3 <nil>
	// answered: <nil>
	// closed: <nil>
}

func ExampleNewTable() {
	ctx := context.Background()
	db := openGame(ctx)
	defer db.end()
	players, err := lull.NewTable[int64, Player](db.DB, "players")
	fmt.Println(err)
	fmt.Println(players.Put(ctx, 42, Player{Name: "Ann", Score: 10}))
	ann, found, err := players.Get(ctx, 42)
	fmt.Println(ann.Name, ann.Score, ann.LastSeen == nil, found, err)

	type tooMuch struct{ Name, Shoe string }
	_, err = lull.NewTable[int64, tooMuch](db.DB, "players")
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// Ann 10 true true <nil>
	// table "players": field Shoe: players: no field "shoe"; fields are name, score, last_seen
}

func ExampleTable_Update() {
	ctx := context.Background()
	db := openGame(ctx)
	defer db.end()
	players, err := lull.NewTable[int64, Player](db.DB, "players")
	if err != nil {
		log.Fatal(err)
	}
	err = players.Update(ctx, 42, func(p *Player) error {
		p.Name, p.Score = "Ann", p.Score+5
		return nil
	})
	fmt.Println(err)
	errPoor := errors.New("not enough points")
	err = players.Update(ctx, 42, func(p *Player) error {
		if p.Score < 100 {
			return errPoor // nothing is written
		}
		p.Score -= 100
		return nil
	})
	fmt.Println(err)
	fmt.Println(players.Get(ctx, 42))
	// Output:
	// <nil>
	// not enough points
	// {Ann 5 <nil>} true <nil>
}

func ExampleDB_Sync() {
	ctx := context.Background()
	db := openGame(ctx)
	defer db.end()
	players, err := lull.NewTable[int64, Player](db.DB, "players")
	if err != nil {
		log.Fatal(err)
	}
	if err := players.Put(ctx, 7, Player{Name: "Bob", Score: 3}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(db.Sync(ctx)) // everything written before is in SQL now
	db.query(ctx, 7)
	// Output:
	// <nil>
	// SQL: Bob 3 <nil>
}

func ExampleTable_Delete() {
	ctx := context.Background()
	db := openGame(ctx)
	defer db.end()
	players, err := lull.NewTable[int64, Player](db.DB, "players")
	if err != nil {
		log.Fatal(err)
	}
	if err := players.Put(ctx, 7, Player{Name: "Bob"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(players.Delete(ctx, 7))
	_, found, err := players.Get(ctx, 7)
	fmt.Println(found, err)
	fmt.Println(db.Sync(ctx))
	db.query(ctx, 7)
	// Output:
	// true <nil>
	// false <nil>
	// <nil>
	// SQL: no such row
}

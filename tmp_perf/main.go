package main

import (
	"context"
	"fmt"
	"net/http"
	_ "net/http/pprof"
	"os"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/server"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/postgres"
	"github.com/lullcache/lull/sink/sqlite"
	"github.com/lullcache/lull/sink/sqlsink"
)

func main() {
	go http.ListenAndServe("127.0.0.1:6999", nil)
	var s sink.Sink
	var err error
	if u := os.Getenv("DBURL"); u != "" {
		s, err = postgres.Open(context.Background(), u, sqlsink.Options{})
	} else {
		s, err = sqlite.Open(context.Background(), "sqlite:"+os.Args[1]+"/x.db", sqlsink.Options{})
	}
	if err != nil {
		panic(err)
	}
	ack := lull.AckMemory
	if os.Getenv("ACK") == "disk" {
		ack = lull.AckDisk
	}
	db, err := lull.Open(context.Background(), lull.Options{DataDir: os.Args[1] + "/data", Sink: s, Ack: ack, OnEvent: func(e lull.Event) { fmt.Println(e) }})
	if err != nil {
		panic(err)
	}
	if os.Getenv("PAUSE") != "" {
	}
	srv, err := server.Listen(server.Options{DB: db, Addr: "127.0.0.1:6390"})
	if err != nil {
		panic(err)
	}
	srv.Serve()
}

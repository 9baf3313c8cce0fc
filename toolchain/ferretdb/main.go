// FerretDB as a stand-in for MongoDB in the sandbox and in tests: it speaks MongoDB's protocol and keeps its
// data in SQLite files. It has no replica set, no oplog and no users.
//
// Its own command needs generated files that its module does not carry, so it cannot be built from there. Its
// embeddable package can.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "the address to listen on")
	dir := flag.String("dir", "", "the folder of the data, which must exist")
	version := flag.Bool("version", false, "print the version")
	flag.Parse()
	if *version {
		fmt.Println(moduleVersion())
		return
	}
	if *dir == "" {
		log.Fatal("-dir is missing")
	}

	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: *listen},
		Handler:   "sqlite",
		SQLiteURL: "file:" + *dir + "/",
	})
	if err != nil {
		log.Fatal(err)
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := server.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

func moduleVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/FerretDB/FerretDB" {
			return module.Version
		}
	}
	return "unknown"
}

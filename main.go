// Command qme runs commands and keeps what happened.
package main

import (
	"os"

	"qme/cli"
)

func main() { os.Exit(cli.Main()) }

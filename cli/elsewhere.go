package cli

// elsewhere maps command names of other programs (shells, git, task queues, batch
// systems, containers) to the commands of qme.
var elsewhere = map[string]string{
	// run
	"add": "run", "submit": "run", "enqueue": "run", "queue": "run", "launch": "run", "record": "run", "execute": "run", "time": "run", "tsp": "run",
	"sbatch": "run sbatch", "srun": "run srun", "qsub": "run qsub", "bsub": "run bsub",
	"retry": "rerun", "replay": "rerun", "again": "rerun", "repeat": "rerun", "redo": "rerun", "restart": "rerun", "reproduce": "rerun",
	"kill": "cancel", "stop": "cancel", "abort": "cancel", "scancel": "cancel", "qdel": "cancel", "terminate": "cancel",
	// show
	"history": "ls", "tasks": "ls", "runs": "ls", "dir": "ls", "ll": "ls", "recent": "ls",
	"ps": "ls --active", "jobs": "ls --active", "top": "ls --active", "squeue": "ls --active", "qstat": "ls --active", "htop": "ls --active",
	"failed": "ls --failed", "running": "ls --running", "queued": "ls --queued", "active": "ls --active",
	"cat": "get", "info": "show", "inspect": "show", "describe": "show", "view": "show", "print": "show", "details": "show", "last": "show", "scontrol": "show",
	"output": "exec output", "logs": "follow", "tail": "follow", "attach": "follow", "stdout": "get --stdout", "stderr": "get --stderr", "sacct": "exec status",
	"find": "search", "grep": "search", "rg": "search", "locate": "search", "lookup": "search",
	"compare": "diff", "cmp": "diff",
	"who": "made", "whomade": "made", "origin": "made", "blame": "made", "makes": "made", "wrote": "made",
	"stats": "sql", "statistics": "sql", "query": "sql", "select": "sql", "report": "sql",
	"dashboard": "start", "web": "start", "ui": "start", "gui": "start", "serve": "start", "server": "start", "browse": "start", "open": "start", "notebook": "start",
	// maintain
	"delete": "clear", "remove": "clear", "rm": "clear", "del": "clear", "forget": "clear",
	"prune": "gc", "clean": "gc", "cleanup": "gc", "pack": "gc", "repack": "gc", "compact": "gc", "vacuum": "gc",
	"verify": "check", "fsck": "check", "doctor": "check", "validate": "check", "repair": "check",
	"set": "config", "settings": "config", "setup": "config", "configure": "config", "preferences": "config",
	// share
	"share": "push", "upload": "push", "publish": "push", "backup": "push",
	"download": "pull", "merge": "sync", "import": "clone",
	"fetch": "status --fetch",
}

const (
	seeTask   = "\"qme show TASK\" says more of a task"
	seeAll    = "all tasks are listed without it"
	seeTime   = "\"qme search after:yesterday\" finds by time"
	seeBefore = "\"qme search before:yesterday\" finds by time"
	seeFields = "FIELD:WORD looks in one field, as in \"qme search status:failed\""
	seeCode   = "\"qme search rc:1\" finds by return code"
	seeOutput = "\"qme follow\" shows the output of a task as it comes"
)

// otherOptions maps, for each command, options of similar programs to a hint at the
// equivalent in qme.
var otherOptions = map[string]map[string]string{
	"qme": {"no-output": "it belongs to a run: \"qme run --no-output CMD\""},
	"search": {
		"failed": "\"qme search failed\" finds what failed: it is a word of the query", "running": "\"qme search running\" finds what is running: it is a word of the query",
		"since": seeTime, "after": seeTime, "until": seeBefore, "before": seeBefore, "on": seeTime,
		"status": seeFields, "host": seeFields, "user": seeFields, "executor": seeFields, "command": seeFields, "message": seeFields, "output": seeFields, "error": seeFields, "pwd": seeFields,
		"returncode": seeCode, "rc": seeCode,
		"i": "upper and lower case are the same", "ignore-case": "upper and lower case are the same", "E": "\"--regex\" reads words as regular expressions",
	},
	"ls": {
		"l": seeTask, "long": seeTask, "a": seeAll, "all": seeAll,
		"after": "\"--since TIME\" lists what began then or later", "until": seeBefore, "before": seeBefore,
		"deleted": "\"--cleared\" lists what was cleared", "fields": "\"--columns NAME,NAME\" says what is shown", "o": "\"--columns NAME,NAME\" says what is shown", "format": "\"--columns NAME,NAME\" says what is shown",
		"ok": "\"qme ls --status ok\" lists what ended well", "cancelled": "\"qme ls --status cancelled\" lists what was cancelled", "state": "\"qme ls --status ok,failed\" lists by status", "grep": "\"qme search WORD\" finds text",
	},
	"config": {
		"list": "\"qme config\" lists all settings", "l": "\"qme config\" lists all settings", "show-origin": "\"qme config\" says where each comes from",
		"get": "\"qme config KEY\" shows one", "add": "\"qme config KEY +VALUE\" adds to a list",
		"global": "there is one file for each home", "local": "there is one file for each home", "system": "there is one file for each home",
	},
	"show": {"json": "\"qme get\" prints a task as JSON", "f": seeOutput, "follow": seeOutput},
	"get":  {"f": seeOutput, "follow": seeOutput},
	"log":  {"f": seeOutput, "follow": seeOutput},
}

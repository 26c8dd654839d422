package cli

// elsewhere maps command names of other programs (shells, git, task queues, batch
// systems, containers) to the commands of qme.
var elsewhere = map[string]string{
	// run
	"submit": "run", "launch": "run", "record": "run", "execute": "run", "time": "run",
	"sbatch": "run sbatch", "srun": "run srun", "qsub": "run qsub", "bsub": "run bsub",
	"retry": "rerun", "replay": "rerun", "again": "rerun", "repeat": "rerun", "redo": "rerun", "restart": "rerun", "reproduce": "rerun",
	"kill": "cancel", "stop": "cancel", "abort": "cancel", "scancel": "cancel", "qdel": "cancel", "terminate": "cancel",
	// queue
	"enqueue": "add", "defer": "add", "later": "add", "batch": "add", "at": "add --at", "tsp": "add", "ts": "add", "pueue": "queue", "nq": "add", "background": "add", "bg": "add", "nohup": "add",
	"slots": "queue slots", "parallel": "queue slots", "pause": "queue pause", "resume": "queue resume", "continue": "queue resume", "suspend": "queue pause", "unpause": "queue resume",
	"stash": "hold", "unhold": "release", "worker": "queue", "daemon": "queue enable", "pueued": "queue enable", "urgent": "edit --priority", "reschedule": "edit --at", "modify": "edit",
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
	seeOn     = "\"qme run --on slurm\" submits to a batch system, which has a queue of its own"
	seeLabel  = "\"qme -m TEXT add CMD\" says what it is for"
	seeOutput = "\"qme follow\" shows the output of a task as it comes"
)

// queueWays maps words behind "qme queue", as other programs have them, to command lines of qme.
var queueWays = map[string]string{
	"ls": "qme queue", "list": "qme queue", "status": "qme queue", "show": "qme queue", "state": "qme queue",
	"add": "qme add", "run": "qme add", "push": "qme add", "submit": "qme add", "remove": "qme cancel", "rm": "qme cancel", "cancel": "qme cancel", "kill": "qme queue stop",
	"start": "qme queue resume", "continue": "qme queue resume", "unpause": "qme queue resume", "halt": "qme queue pause", "suspend": "qme queue pause",
	"parallel": "qme queue slots", "hold": "qme hold", "edit": "qme edit", "wait": "qme wait --all", "clear": "qme cancel", "install": "qme queue enable --install",
	"follow": "qme follow", "log": "qme get --stdout", "logs": "qme get --stdout", "restart": "qme rerun", "retry": "qme rerun", "clean": "qme clear", "switch": "qme edit --priority", "urgent": "qme edit --priority", "reset": "qme queue stop", "stash": "qme hold", "watch": "watch qme queue",
}

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
	"add": {
		"on": seeOn, "partition": seeOn, "wait": "\"qme wait\" waits for a task: id=$(qme add --print-id CMD) && qme wait \"$id\"", "id-file": "\"--print-id\" prints the id",
		"d": "\"--after TASK\" waits for another task", "D": "\"--after TASK\" waits for another task", "depend": "\"--after TASK\" waits for another task",
		"g": "\"--queue NAME\" is a queue with slots of its own", "group": "\"--queue NAME\" is a queue with slots of its own", "time": "\"--timeout TIME\" limits it", "stashed": "\"--hold\" keeps it from starting",
		"L": seeLabel, "l": seeLabel, "label": seeLabel, "name": seeLabel, "n": seeLabel,
		"N": "\"--cpus N\" sets processors aside, and \"qme queue slots N\" says how many tasks run at once", "j": "\"qme queue slots N\" says how many tasks run at once",
	},
	"queue": {
		"S": "\"qme queue slots N\" says how many tasks run at once", "slots": "\"qme queue slots N\" says how many tasks run at once", "j": "\"qme queue slots N\" says how many tasks run at once",
		"pause": "\"qme queue pause\" does it", "resume": "\"qme queue resume\" does it", "failed": "\"qme ls --failed\" lists what has failed", "watch": "\"watch qme queue\" does it", "w": "\"watch qme queue\" does it",
	},
}

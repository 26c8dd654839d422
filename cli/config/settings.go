package config

import (
	"cmp"
	"strings"

	"qme/executor/slurm"
	"qme/internal/mask"
	"qme/mirror/target"
	"qme/queue"
	"qme/record"
)

// settings is the table of all settings. Reading, editing, the environment variable, the
// listing and the error messages of a setting all follow from its row.
var settings = []setting{
	{name: "run.inline", kind: sizeKind, def: "64KiB",
		description: "streams up to this size that are UTF-8 are stored in the record itself, up to 3 MiB as JSON"},
	{name: "run.keep", kind: sizeKind, def: "64MiB",
		description: "how much of a stream is stored: if it is longer, the first and the last half of this"},
	{name: "run.drain", kind: durationKind, def: "200ms",
		description: "how long to wait, after a command's end, for output of processes that it left behind"},
	{name: "run.git", kind: durationKind, def: "10ms",
		description: "time limit for finding out whether the working tree is dirty; 0: do not check"},
	{name: "run.patch", kind: sizeKind, def: "1MiB",
		description: "the difference of a dirty working tree is recorded up to this size, 8 MiB at most; 0: not at all"},
	{name: "run.env", kind: listKind, def: defaultEnv, check: variableName,
		description: "environment variables to record; * and ? match; +NAME adds to the list"},
	{name: "run.files", kind: boolKind, def: "true",
		description: "whether the files are recorded that a command line names, with their hashes"},
	{name: "run.hash", kind: sizeKind, def: "64MiB",
		description: "files up to this size are hashed; of larger ones the first and the last MiB; 0: none"},
	{name: "run.hash_total", kind: sizeKind, def: "256MiB",
		description: "how much is hashed for one run; of further files the first and the last MiB"},
	{name: "run.keep_files", kind: sizeKind, def: "0",
		description: "outputs up to this size are kept in the history, 16 MiB of a run at most; 0: none"},
	{name: "run.metrics", kind: listKind, sep: ";", check: metricSpec,
		description: "metrics of all runs, separated by semicolons: NAME or NAME=REGEX, and last, first, min, max or mean; see docs/metrics.md"},
	{name: "run.metric_files", kind: listKind, check: metricFile,
		description: "files of all runs whose numbers are metrics, if the run has written them"},
	{name: "run.software", kind: boolKind, def: "true",
		description: "whether programs, packages, modules and containers are recorded"},
	{name: "run.stdin", kind: sizeKind, def: "0",
		description: "up to which size, and at most 16 MiB, what a command reads from a pipe is kept, for qme rerun; 0: none"},
	{name: "run.stdin_hash", kind: boolKind, def: "true",
		description: "whether what a command reads from a pipe is counted and hashed, if no other process can read from it"},
	{name: "run.summary", kind: stringKind, def: "auto", check: oneOf("auto", "always", "never"),
		description: "whether a line with id and return code ends a run: auto (only if standard error is a terminal), always or never"},
	{name: "run.usage", kind: durationKind, def: "1s",
		description: "time between samples of the memory, processor and bytes that a run uses, at first; 0: none"},
	{name: "mask.env", kind: listKind, def: mask.DefaultNames, check: variableName,
		description: "variables whose values are masked in records; * and ? match; !NAME excludes; +NAME adds to the list"},
	{name: "mask.patterns", kind: listKind, sep: " ", check: maskPattern,
		description: "regular expressions (RE2), separated by blanks, for what else is masked in records"},
	{name: "cancel.grace", kind: durationKind, def: "5s",
		description: "how long after TERM a cancelled command is killed"},
	{name: "notify.command", kind: stringKind, def: "", program: true, fileOnly: true,
		description: "a line for sh that is run when a task of the queue has ended, with its record as input; only from this file"},
	{name: "notify.when", kind: listKind, def: "all", check: oneOf(queue.Events...), fileOnly: true,
		description: "for which tasks: all, failed, long (see notify.longer), and group (when nothing waits or runs any more)"},
	{name: "notify.longer", kind: durationKind, def: "10m", fileOnly: true,
		description: "how long a task takes at least that counts as long"},
	{name: "sync.auto", kind: boolKind, def: "false",
		description: "whether each run starts a sync in the background"},
	{name: "share.max_pack", kind: sizeKind, def: "4GiB",
		description: "how much a remote may send at a time; 0: any amount"},
	{name: "share.max_object", kind: sizeKind, def: "256MiB",
		description: "how large a stream or record from a remote may be; 0: any size"},
	{name: "share.max_record", kind: sizeKind, def: "16MiB",
		description: "how large a record from a remote may be; 0: any size"},
	{name: "share.max_unpacked", kind: sizeKind, def: "64GiB",
		description: "how much the data that a remote sends at a time may be when unpacked; 0: any amount"},
	{name: "share.parts", kind: listKind, def: "record,streams,files,usage", check: oneOf(partNames()...), always: []string{"record", "streams"},
		description: "which parts of new runs are pushed; what is not named here stays in this home"},
	{name: "search.limit", kind: sizeKind, def: "1MiB",
		description: "how much of a stream that is stored in a file of its own is searched"},
	{name: "server.host", kind: stringKind, def: "127.0.0.1", check: notEmpty,
		description: "the address on which the dashboard listens"},
	{name: "server.port", kind: stringKind, def: "5000", check: portNumber,
		description: "the port on which the dashboard listens; 0: any free port"},
	{name: "server.key", kind: stringKind, def: "", check: serverKey, checkFile: keyInFile, public: hideKey,
		description: "the key of the dashboard, only for QME_SERVER_KEY; otherwise a file in the home"},
	{name: "ls.columns", kind: listKind, def: strings.Join(DefaultColumns, ","), check: oneOf(Columns...),
		description: "what \"qme ls\" shows of a task on a terminal: " + strings.Join(Columns, ", ") + "; +NAME adds to the list"},
	{name: "color", kind: stringKind, def: "auto", check: oneOf("auto", "always", "never"),
		description: "auto, always or never"},
	{name: "pager", kind: stringKind, def: "", program: true,
		description: "program that shows long listings on a terminal (default: PAGER)"},
	{name: "database", kind: stringKind, def: target.None, check: target.Check, checkFile: target.CheckPublic, public: target.Public,
		description: "a database that mirrors the history, as docs/mirror.md says; filesystem: none"},
	{name: "executor.shell.shell", kind: stringKind, def: "sh", check: notEmpty, program: true,
		description: "the shell that runs command lines"},
	{name: "executor.slurm.sacct_format", alias: "QME_SLURM_SACCT_FORMAT", kind: stringKind, def: slurm.DefaultFormat, check: slurm.CheckFormat,
		description: "the fields that \"qme exec status\" shows of a job, as for sacct --format"},
	{name: "executor.slurm.timeout", kind: durationKind, def: slurm.DefaultTimeout.String(),
		description: "how long Slurm may take to answer a question"},
}

// Columns are what "qme ls" can show of a task, and DefaultColumns what it shows on a terminal. They must
// not be changed.
var (
	Columns        = []string{"id", "runs", "name", "tags", "when", "duration", "state", "executor", "job", "memory", "user", "host", "dir", "group", "cleared", "by", "command", "message"}
	DefaultColumns = []string{"id", "runs", "name", "tags", "when", "duration", "state", "executor", "command", "message"}
)

// partNames lists what share.parts can name.
func partNames() []string {
	names := []string{"record", "streams"}
	for _, name := range record.PartNames {
		names = append(names, string(name))
	}
	return names
}

// defaultEnv lists the variables that matter to researchers: the place of a run in the
// queue of a cluster, the software environment, variables that change a computation or
// its output, and the output files of a batch job. It has no wildcards, since records are
// shared and SLURM_* could one day match a secret.
const defaultEnv = "SLURM_JOB_ID,SLURM_ARRAY_JOB_ID,SLURM_ARRAY_TASK_ID,SLURM_JOB_NODELIST," +
	"CONDA_DEFAULT_ENV,CONDA_PREFIX,VIRTUAL_ENV,CUDA_VISIBLE_DEVICES,OMP_NUM_THREADS," +
	"LOADEDMODULES,LANG,LC_ALL,TZ,SBATCH_OUTPUT,SBATCH_ERROR"

// A setting is one row of the table.
type setting struct {
	name        string
	alias       string // another environment variable, "" for none
	kind        kind
	def         string // as on a command line; must be valid
	sep         string // separates the elements of a list; "" is a comma
	description string
	// check rejects values, or elements of a list, beyond the rules of the kind; nil
	// accepts all. The caller adds the name of the setting to the error.
	check func(text string) error
	// always are the elements that a list cannot leave out.
	always []string
	// checkFile rejects values that are allowed by check but not in the file; nil accepts
	// all.
	checkFile func(text string) error
	// program says that the value is executed.
	program bool
	// fileOnly says that the environment does not count: it may come from elsewhere, as that of a task
	// of the queue does.
	fileOnly bool
	// public returns the text without secrets; nil: the text has none. Errors of check
	// must not contain secrets either.
	public func(text string) string
}

func lookup(name string) (setting, bool) {
	for _, s := range settings {
		if s.name == name {
			return s, true
		}
	}
	if saved, ok := searchName(name); ok {
		return savedSearch(saved), true
	}
	return setting{}, false
}

func (s setting) separator() string { return cmp.Or(s.sep, ",") }

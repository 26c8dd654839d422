package history

// A shape is one kind of command: its line and its output with {placeholders}
// that expand fills in. A line with shell syntax is run by a shell.
type shape struct {
	weight int      // how often it is used, relative to the others
	sweep  bool     // it is run in sweeps, with one parameter after the other
	secs   float64  // its usual duration
	lines  int      // its usual number of lines of output
	line   string   // the command
	out    []string // the lines of its output, used in turn
	err    string   // what it says when it fails
}

const traceback = "Traceback (most recent call last):\n  File \"{script}\", line {nn}, in <module>\n    main(args)\n  File \"{script}\", line {nnn}, in main\n" +
	"    batch = loader.next(step={nnn})\nRuntimeError: expected a tensor of {nnn} elements, got {nn}\n"

var (
	epochs   = []string{"epoch {i}/40 loss={f} acc={f} lr={lr} time={n}.{nn}s"}
	compiled = []string{"  CC      src/{word}/{word}.o", "  CC      src/{word}/{word}_{word}.o", "  LD      build/{word}.so"}
	listing  = []string{"-rw-r--r-- 1 {user} users {nnnnn} Mar {nn} 1{n}:{nn} {word}-{nn}.csv", "drwxr-xr-x 2 {user} users  4096 Feb {nn} 0{n}:{nn} {word}"}
	pathList = []string{"{word}/{word}.py", "{word}/sub-{sub}/anat/sub-{sub}_T1w.nii.gz", "{word}/{word}_{nn}.csv"}
	workflow = []string{
		"24{n}{n}-1{n}:{nn}:{nn},{nnn} nipype.workflow INFO:",
		"\t [Node] Setting-up \"_{word}{n}\" in \"/scratch/work/sub_{sub}_wf/{word}_wf/_{word}{n}\".",
		"\t [Node] Finished \"{word}_{word}\", elapsed time {nnn}.{nnnn}s."}
	bam = []string{"{nnnnn} + 0 in total (QC-passed reads + QC-failed reads)", "{nnnn} + 0 duplicates", "{nnnnn} + 0 mapped ({nn}.{nn}% : N/A)", "{nnn} + 0 singletons ({n}.{nn}% : N/A)"}
)

// shapes are the commands of a small research group that also writes software.
var shapes = []shape{
	{9, true, 900, 28, "python train.py --lr={lr} --seed={nn} --batch-size={pow} --epochs=40", epochs, traceback},
	{4, true, 1500, 24, "python train.py --config configs/{word}.yaml --dropout=0.{n} --out runs/{word}-{nnn}", epochs, traceback},
	{4, true, 40, 6, "python evaluate.py --checkpoint runs/{word}-{nnn}/best.pt --split test", []string{"accuracy {f}", "f1 {f}", "auc {f}"}, traceback},
	{3, true, 12, 4, "python -m analysis.bootstrap --n 1000 --seed {nnnn} data/{word}.csv", []string{"{word}: mean {f} [95% CI {f} {f}]"}, traceback},
	{2, false, 8, 2, "python plot.py --input results/{word}.csv --output figures/{word}_{nn}.pdf", []string{"saved figures/{word}_{nn}.pdf"}, traceback},
	{2, false, 2, 12, "python -c 'import pandas as pd; print(pd.read_csv(\"data/{word}.csv\").describe())'", []string{"{word}   {nnnn}.{nn}  {f}  {f}  {n}.{nn}"}, "FileNotFoundError: [Errno 2] No such file or directory: 'data/{word}.csv'\n"},
	{3, false, 6, 18, "pytest -q tests/test_{word}.py", []string{"tests/test_{word}.py {dots} [ {nn}%]", "{nn} passed in {n}.{nn}s"}, "FAILED tests/test_{word}.py::test_{word} - AssertionError: assert {f} == {f}\n"},
	{2, false, 25, 15, "pytest -x --durations=10", []string{"{n}.{nn}s call     tests/test_{word}.py::test_{word}_{word}"}, "ERROR tests/test_{word}.py - ImportError: cannot import name '{word}'\n"},
	{1, false, 20, 12, "pip install -r requirements.txt", []string{"Collecting {word}=={n}.{nn}", "  Using cached {word}-{n}.{nn}-py3-none-any.whl ({nnn} kB)"}, "ERROR: Could not find a version that satisfies the requirement {word}=={n}.{nn}\n"},
	{1, false, 60, 20, "conda env update -f environment.yml", []string{"{word}-{n}.{nn}.{n}     | {nn}.{n} MB    | ########## | 100%"}, "ResolvePackageNotFound:\n  - {word}={n}.{nn}\n"},
	{1, false, 300, 25, "jupyter nbconvert --to html --execute notebooks/{word}.ipynb", []string{"[NbConvertApp] Writing {nnnnn} bytes to notebooks/{word}.html"}, "nbclient.exceptions.CellExecutionError: An error occurred while executing cell {nn}\n"},
	{2, true, 120, 10, "Rscript fit_{word}.R --chain {n} --iter 4000", []string{"Chain {n}: Iteration: {i}00 / 4000 [ {nn}%]  (Sampling)"}, "Error in lm.fit(x, y) : NA/NaN/Inf in 'x'\nCalls: main -> fit -> lm.fit\nExecution halted\n"},
	{1, true, 200, 8, "julia --project=. simulate.jl --beta {f} --steps {nnnn}", []string{"step {i}00 energy {f} magnetisation {f}"}, "ERROR: LoadError: DomainError with -{f}\n"},
	{1, false, 90, 5, "matlab -batch 'process_{word}({nn})'", []string{"Processing block {i} of 12 ... done"}, "Undefined function 'process_{word}' for input arguments of type 'double'.\n"},

	{5, false, 45, 24, "make -j8", compiled, "src/{word}/{word}.c:{nnn}:{nn}: error: '{word}' undeclared (first use in this function)\nmake: *** [Makefile:{nn}: src/{word}/{word}.o] Error 1\n"},
	{2, false, 30, 14, "make -j8 test", []string{"ok {i} - {word} {word}"}, "not ok {nn} - {word}\nmake: *** [Makefile:{nn}: test] Error 2\n"},
	{1, false, 1, 1, "make clean", []string{"rm -rf build"}, "make: *** No rule to make target 'clean'.  Stop.\n"},
	{1, false, 70, 22, "cmake --build build --parallel 8", []string{"[ {nn}%] Building CXX object CMakeFiles/{word}.dir/src/{word}.cpp.o"}, "ninja: build stopped: subcommand failed.\n"},
	{2, false, 9, 10, "go test ./...", []string{"ok  \texample.org/{word}/{word}\t0.{nnn}s"}, "FAIL\texample.org/{word}/{word}\t0.{nnn}s\n"},
	{1, false, 3, 0, "go build ./cmd/{word}", nil, "cmd/{word}/main.go:{nn}:{n}: undefined: {word}\n"},
	{1, false, 25, 12, "cargo test --release", []string{"test {word}::tests::{word}_{word} ... ok"}, "error[E0308]: mismatched types\n --> src/{word}.rs:{nnn}:{nn}\n"},
	{1, false, 6, 2, "gcc -O2 -Wall -o {word} {word}.c -lm", []string{"{word}.c:{nn}:{n}: warning: unused variable '{word}'"}, "{word}.c:{nn}:{n}: error: expected ';' before 'return'\n"},
	{1, false, 14, 8, "npm run build", []string{"dist/assets/{word}-{hex}.js   {nnn}.{nn} kB | gzip: {nn}.{nn} kB"}, "npm ERR! code ELIFECYCLE\nnpm ERR! errno 1\n"},
	{1, false, 50, 15, "docker build -t {word}:{n}.{n} .", []string{"#{nn} [{n}/9] RUN apt-get install -y {word}", "#{nn} DONE {nn}.{n}s"}, "ERROR: failed to solve: process \"/bin/sh -c make\" did not complete successfully: exit code: 2\n"},
	{1, false, 4, 6, "latexmk -pdf paper.tex", []string{"Latexmk: applying rule 'pdflatex'...", "Output written on paper.pdf ({nn} pages, {nnnnnn} bytes)."}, "! Undefined control sequence.\nl.{nnn} \\{word}\n"},

	{7, false, 0.005, 12, "ls -l {dir}", listing, "ls: cannot access '{dir}': No such file or directory\n"},
	{3, false, 0.003, 8, "ls", pathList, ""},
	{4, false, 0.03, 9, "grep -rn {word} src", []string{"src/{word}/{word}.py:{nnn}:    return {word}({word}, {nn})"}, ""},
	{2, false, 0.02, 6, "grep -c '>' sequences/{word}.fasta", []string{"{nnnn}"}, "grep: sequences/{word}.fasta: No such file or directory\n"},
	{3, false, 0.04, 14, "find {dir} -name '*.nii.gz' -newer last_sync", pathList, "find: '{dir}': No such file or directory\n"},
	{3, false, 0.3, 5, "du -sh {dir}", []string{"{nn}G\t{dir}"}, "du: cannot access '{dir}': No such file or directory\n"},
	{2, false, 0.01, 9, "df -h", []string{"/dev/sd{letter}1       {n}.{n}T  {nnn}G  {nnn}G  {nn}% /data/{word}"}, ""},
	{2, false, 0.01, 10, "head -n 10 data/{word}.csv", []string{"{nnn},{f},{f},{word},{n}"}, "head: cannot open 'data/{word}.csv' for reading: No such file or directory\n"},
	{1, false, 0.01, 25, "tail -n 25 logs/{word}.log", []string{"2024-0{n}-1{n} 1{n}:{nn}:{nn} INFO {word}: {word} {nnn} done"}, "tail: cannot open 'logs/{word}.log' for reading: No such file or directory\n"},
	{2, false, 0.1, 1, "wc -l data/{word}.csv", []string{"{nnnnn} data/{word}.csv"}, "wc: data/{word}.csv: No such file or directory\n"},
	{1, false, 0.8, 0, "cp -r {dir} /scratch/{user}/{word}", nil, "cp: cannot stat '{dir}': No such file or directory\n"},
	{2, false, 40, 8, "rsync -av {dir}/ login2:/archive/{word}/", []string{"{word}/{word}_{nn}.csv", "sent {nnnnnn} bytes  received {nnn} bytes  {nnnnn}.{nn} bytes/sec"}, "rsync: connection unexpectedly closed (0 bytes received so far) [sender]\n"},
	{1, false, 3, 1, "tar czf {word}-{nnn}.tar.gz {dir}", nil, "tar: {dir}: Cannot stat: No such file or directory\n"},
	{1, false, 15, 4, "curl -fsSLO https://data.example.org/{word}/{word}_{nn}.zip", nil, "curl: (22) The requested URL returned error: 404\n"},
	{1, false, 2, 3, "sha256sum -c {word}.sha256", []string{"{word}_{nn}.nii.gz: OK"}, "sha256sum: WARNING: 1 computed checksum did NOT match\n"},
	{2, false, 1.5, 12, "sort data/{word}.txt | uniq -c | sort -rn | head -n 12", []string{"   {nnnn} {word}"}, "sort: cannot read: data/{word}.txt: No such file or directory\n"},
	{1, false, 0.2, 8, "awk -F, '{print $1, $3}' data/{word}.csv | tail -n 8", []string{"{nnn} {f}"}, ""},
	{1, true, 5, 1, "for f in raw/{word}_*.csv; do ./clean.sh $f > clean/$(basename $f); done", nil, "./clean.sh: line {nn}: {word}: unbound variable\n"},
	{1, false, 0.5, 3, "ssh {host} nvidia-smi --query-gpu=utilization.gpu,memory.used --format=csv", []string{"{nn} %, {nnnn} MiB"}, "ssh: connect to host {host} port 22: Connection refused\n"},

	{4, false, 0.02, 10, "git status", []string{"On branch {word}", "\tmodified:   {word}/{word}.py"}, "fatal: not a git repository (or any of the parent directories): .git\n"},
	{2, false, 0.02, 12, "git log --oneline -n 12", []string{"{hex} Make {word} of {word} {nn}"}, ""},
	{1, false, 0.03, 22, "git diff --stat", []string{" {word}/{word}.py | {nn} +++++++---"}, ""},
	{1, false, 2, 3, "git pull --ff-only", []string{"Updating {hex}..{hex}", "Fast-forward"}, "fatal: Not possible to fast-forward, aborting.\n"},
	{1, false, 6, 4, "datalad get -J4 sub-{sub}", []string{"get(ok): sub-{sub}/anat/sub-{sub}_T1w.nii.gz (file) [from origin...]"}, "get(error): sub-{sub} (file) [not available]\n"},

	{3, true, 14000, 30, "fmriprep /data/bids /data/derivatives participant --participant-label {sub} --nprocs 8 --mem-mb 32000 -w /scratch/work", workflow, "RuntimeError: Command failed: recon-all -subjid sub-{sub} exited with code 1\n"},
	{2, true, 5400, 16, "mriqc /data/bids /data/mriqc participant --participant-label {sub}", workflow, "MRIQC: no T1w image found for sub-{sub}\n"},
	{2, true, 60, 3, "bet sub-{sub}_T1w.nii.gz sub-{sub}_brain.nii.gz -f 0.{nn} -R", nil, "ERROR: image sub-{sub}_T1w.nii.gz does not exist\n"},
	{1, true, 700, 8, "antsRegistrationSyN.sh -d 3 -f template.nii.gz -m sub-{sub}_T1w.nii.gz -o reg/sub-{sub}_", []string{" 1DIAGNOSTIC,   {i}, {f}, {f}, {n}.{nnnn}"}, "Exception Object caught: image sub-{sub}_T1w.nii.gz cannot be read\n"},
	{2, true, 240, 8, "samtools flagstat bam/{word}_{nnn}.sorted.bam", bam, "[E::hts_open_format] Failed to open file \"bam/{word}_{nnn}.sorted.bam\" : No such file or directory\n"},
	{2, true, 400, 1, "samtools sort -@ 8 -o bam/{word}_{nnn}.sorted.bam bam/{word}_{nnn}.bam", []string{"[bam_sort_core] merging from {n} files and 8 in-memory blocks..."}, "samtools sort: failed to read header from \"bam/{word}_{nnn}.bam\"\n"},
	{2, true, 1800, 5, "bwa mem -t 16 ref/hg38.fa fastq/{word}_{nnn}_1.fq.gz fastq/{word}_{nnn}_2.fq.gz | samtools view -b -o bam/{word}_{nnn}.bam -", []string{"[M::mem_process_seqs] Processed {nnnnn} reads in {nn}.{nnn} CPU sec, {n}.{nnn} real sec"}, "[E::bwa_idx_load_from_disk] fail to locate the index files\n"},
	{1, true, 900, 14, "bcftools mpileup -f ref/hg38.fa bam/{word}_{nnn}.sorted.bam | bcftools call -mv -Oz -o vcf/{word}_{nnn}.vcf.gz", []string{"[mpileup] {n} samples in {n} input files"}, "[E::faidx_fetch_seq] The sequence \"chr{nn}\" was not found\n"},
	{1, true, 3600, 22, "nextflow run nf-core/rnaseq -profile singularity --input samples_{word}.csv -resume", []string{"[{hex}] process > RNASEQ:{word} ({nn}) [{nn}%] {nn} of {nn}"}, "Error executing process > 'RNASEQ:{word} ({nn})'\n"},
	{1, true, 1100, 18, "snakemake --cores 16 results/{word}_{nnn}.tsv", []string{"[rule {word}] output: results/{word}_{nnn}.tsv", "{nn} of {nn} steps ({nn}%) done"}, "MissingInputException in rule {word} in file Snakefile, line {nnn}:\n"},

	{3, true, 0.06, 1, "sbatch --array=0-{nn} --time=08:00:00 --mem=16G jobs/{word}.sh", []string{"Submitted batch job {nnnnnnn}"}, "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified\n"},
	{2, true, 0.07, 1, "sbatch -p gpu --gres=gpu:1 --wrap 'python train.py --fold {n} --lr={lr}'", []string{"Submitted batch job {nnnnnnn}"}, "sbatch: error: QOSMaxSubmitJobPerUserLimit\n"},
	{2, false, 0.1, 9, "squeue -u {user}", []string{"          {nnnnnnn}       gpu {word}     {user}  R   {n}:{nn}:{nn}      1 node{nn}"}, "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"},
	{1, false, 0.2, 12, "sacct -j {nnnnnnn} --format=JobID,State,Elapsed,MaxRSS", []string{"{nnnnnnn}.{n}   COMPLETED   0{n}:{nn}:{nn}   {nnnnnn}K"}, ""},
}

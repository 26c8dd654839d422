package history

import "time"

// A project is a directory in which people work.
type project struct {
	name string
	dir  string // below the user's home, or absolute
	git  bool   // it lies in a repository
	env  map[string]string
}

var (
	users = []string{"ada", "mira"}
	hosts = []string{"login1", "gpu03", "mira-thinkpad"}

	projects = []project{
		{"lesion-net", "/home/{user}/src/lesion-net", true, map[string]string{"CONDA_DEFAULT_ENV": "torch", "CUDA_VISIBLE_DEVICES": "0", "OMP_NUM_THREADS": "8", "LANG": "en_GB.UTF-8"}},
		{"lesion-net", "/home/{user}/src/lesion-net/experiments", true, map[string]string{"CONDA_DEFAULT_ENV": "torch", "CUDA_VISIBLE_DEVICES": "0,1", "LANG": "en_GB.UTF-8"}},
		{"bids", "/data/studies/ageing/bids", true, map[string]string{"LOADEDMODULES": "fsl/6.0.7:ants/2.5.0:freesurfer/7.4.1", "LANG": "C.UTF-8"}},
		{"derivatives", "/data/studies/ageing/derivatives", false, map[string]string{"LOADEDMODULES": "fsl/6.0.7:ants/2.5.0", "OMP_NUM_THREADS": "4", "LANG": "C.UTF-8"}},
		{"rnaseq", "/data/studies/liver/rnaseq", true, map[string]string{"CONDA_DEFAULT_ENV": "bio", "LANG": "en_US.UTF-8"}},
		{"rnaseq", "/scratch/liver", false, map[string]string{"CONDA_DEFAULT_ENV": "bio", "SLURM_JOB_ID": "4711023", "SLURM_JOB_NODELIST": "node14", "LANG": "en_US.UTF-8"}},
		{"toolbox", "/home/{user}/src/toolbox", true, map[string]string{"VIRTUAL_ENV": "/home/ada/src/toolbox/.venv", "LANG": "en_GB.UTF-8"}},
		{"paper", "/home/{user}/papers/ageing-2026", true, map[string]string{"LANG": "en_GB.UTF-8"}},
		{"home", "/home/{user}", false, map[string]string{"LANG": "en_GB.UTF-8"}},
	}

	messages = []string{
		"baseline", "after the fix of the loader", "with motion correction", "does it still work?", "check before the upload",
		"for figure 3", "second reviewer asked for it", "new atlas", "the one with the larger mask", "cleaned data, no outliers", "Größenvergleich, 2. Versuch",
	}
	sweepMessages = []string{"learning rate sweep", "all subjects", "all subjects, second session", "grid over seeds", "rerun of the cohort with the new template", ""}
)

// branches are those of a project at some time: people move on to another.
func (p *project) branch(at time.Time) string {
	names := []string{"main", "main", "dev", "feature/" + words[(len(p.name)*7+at.YearDay()/9)%len(words)]}
	return names[(at.YearDay()/5+len(p.dir))%len(names)]
}

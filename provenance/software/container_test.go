package software

import (
	"strings"
	"testing"

	"qme/record"
	"qme/tests/files"
)

func TestStarted(t *testing.T) {
	t.Parallel()
	digest := "python@sha256:" + strings.Repeat("a1", 32)
	for line, want := range map[string]string{
		"docker run --rm -it -v /a:/b -e TOKEN=" + token + " python:3.12 python x.py": "docker python:3.12",
		"/usr/bin/docker --context x container run -dp 80:80 -itw/x -u=1 " + digest:   "docker " + digest,
		"docker run --name x --gpus all -- ghcr.io/a/b:c -v y":                        "docker ghcr.io/a/b:c",
		"podman run --replace --tls-verify=false docker.io/library/alpine":            "podman docker.io/library/alpine",
		"docker run user:" + token + "@host/image":                                    "", "docker ps": "", "docker": "", "docker run": "", "docker run --rm": "", "docker build .": "", "echo docker run x": "",
		"apptainer exec --nv -B /a,/b -c --env T=" + token + " image.sif python": "apptainer image.sif",
		"singularity -d run docker://ubuntu:22.04":                               "singularity docker://ubuntu:22.04",
		"apptainer shell /data/images/my image.sif":                              "apptainer /data/images/my",
		"apptainer exec docker://u:" + token + "@host/image x":                   "", "apptainer exec https://x/y.sif": "", "apptainer pull x": "",
	} {
		got := ""
		if c := Started(strings.Fields(line)); c != nil {
			got = c.Kind + " " + c.Image
		}
		if got != want {
			t.Errorf("%s starts %q", line, got)
		}
	}
}

func TestInside(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("0123456789abcdef", 4)
	for _, c := range []struct {
		env   []string
		files map[string]string
		want  record.Container
	}{
		{nil, nil, record.Container{}},
		{[]string{"APPTAINER_CONTAINER=/images/a.sif", "APPTAINER_NAME=a.sif"}, nil, record.Container{Kind: "apptainer", Image: "/images/a.sif", Name: "a.sif"}},
		{[]string{"SINGULARITY_CONTAINER=docker://u:" + token + "@h/x", "SINGULARITY_NAME=a\x1b[31m"}, nil, record.Container{Kind: "singularity"}},
		{nil, map[string]string{".dockerenv": "", "proc/self/mountinfo": "1 2 3 /var/lib/docker/containers/" + id + "/hostname /etc/hostname rw"}, record.Container{Kind: "docker", ID: id}},
		{nil, map[string]string{".dockerenv": "", "proc/self/mountinfo": "1 2 3 /containers/x/hostname"}, record.Container{Kind: "docker"}},
		{nil, map[string]string{"run/.containerenv": "engine=\"podman-4.3.1\"\nname=\"n\"\nid=\"" + id + "\"\nimage=\"docker.io/library/alpine:latest\"\n"}, record.Container{Kind: "podman", Image: "docker.io/library/alpine:latest", Name: "n", ID: id}},
		{nil, map[string]string{"run/.containerenv": ""}, record.Container{Kind: "podman"}},
	} {
		root := t.TempDir()
		files.Write(t, root, c.files)
		var got record.Container
		if found := inside(&Query{Env: c.env}, root, "host"); found != nil {
			got = *found
		}
		if got != c.want {
			t.Errorf("%q, %q: %+v", c.env, c.files, got)
		}
	}
}

// TestInsideByName takes the name that Docker gives to a machine by itself.
func TestInsideByName(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	files.Write(t, root, map[string]string{".dockerenv": ""})
	if c := inside(&Query{}, root, "0123456789ab"); c == nil || c.ID != "0123456789ab" {
		t.Errorf("%+v", c)
	}
}

func FuzzTexts(f *testing.F) {
	f.Add("docker run -it x", []byte(`{"environments": [{"kind": "conda"}]}`))
	f.Fuzz(func(t *testing.T, line string, part []byte) {
		if c := Started(strings.Fields(line)); c != nil && c.Image == "" {
			t.Errorf("%q", line)
		}
		if _, err := Decode(part); err == nil && len(part) == 0 {
			t.Error("nothing is a part")
		}
		for _, ext := range []string{".dist-info", ".egg-info", ".egg-link"} {
			if p, ok := pythonPackage(line, ext); ok && !word(p.Name, 128, "-") {
				t.Errorf("%q is %+v", line, p)
			}
		}
		condaPackage(line)
		Modules(line)
	})
}

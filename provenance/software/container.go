package software

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"qme/record"
)

// Inside returns the container in which this process runs; nil for none that is known.
func Inside(env []string) *record.Container {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return inside(&Query{Env: env}, "/", host)
}

// inside is Inside with another root of the file system, and the name of the machine.
func inside(q *Query, root, host string) *record.Container {
	for _, prefix := range []string{"APPTAINER_", "SINGULARITY_"} {
		image, name := q.env(prefix+"CONTAINER"), q.env(prefix+"NAME")
		if image == "" && name == "" {
			continue
		}
		c := &record.Container{Kind: strings.ToLower(strings.TrimSuffix(prefix, "_")), Image: imageOrFile(image)}
		if named(name) {
			c.Name = name
		}
		return c
	}
	if text, err := Beginning(filepath.Join(root, "run/.containerenv"), 4096); err == nil {
		return ofContainerenv(string(text))
	}
	if isFile(filepath.Join(root, ".dockerenv")) {
		c := &record.Container{Kind: "docker"}
		if len(host) == 12 && strings.Trim(host, "0123456789abcdef") == "" {
			c.ID = host // as Docker names it by itself
		} else if text, err := readKernel(filepath.Join(root, "proc/self/mountinfo"), 64<<10); err == nil {
			c.ID = idIn(string(text))
		}
		return c
	}
	return nil
}

// named reports whether a text can be the name of a container.
func named(s string) bool { return word(s, 200, "._-") }

// ofContainerenv reads the file that Podman makes in containers, which is empty in some.
func ofContainerenv(text string) *record.Container {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[name] = strings.Trim(value, `"`)
	}
	c := &record.Container{Kind: "podman", Image: reference(values["image"])}
	if named(values["name"]) {
		c.Name = values["name"]
	}
	if named(values["id"]) {
		c.ID = values["id"]
	}
	return c
}

// idIn returns the id of the container that the files have from which Docker mounts some, as
// /var/lib/docker/containers/ID/hostname; "" if there is none.
func idIn(mounts string) string {
	_, after, _ := strings.Cut(mounts, "/containers/")
	id, _, _ := strings.Cut(after, "/")
	if len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	return id
}

// reference returns the reference of an image, "" for a text that is none, as one with a password.
func reference(s string) string {
	ref, digest, hasDigest := strings.Cut(s, "@")
	scheme, rest, hasScheme := strings.Cut(ref, "://")
	if !hasScheme {
		rest = ref
	} else if !slices.Contains([]string{"docker", "library", "oras", "shub", "docker-daemon"}, scheme) {
		return ""
	}
	algorithm, hash, _ := strings.Cut(digest, ":")
	if !word(rest, 500, "._/:-") || hasDigest && (!word(algorithm, 20, "+._-") || len(hash) < 32 || strings.Trim(hash, "0123456789abcdef") != "" || len(hash) > 128) {
		return ""
	}
	return s
}

// imageOrFile returns a reference, or the path of a file with an image.
func imageOrFile(s string) string {
	if filepath.IsAbs(s) && len(s) <= 4096 && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar }) {
		return path.Clean(s)
	}
	return reference(s)
}

// A launcher is a program that starts containers.
type launcher struct {
	verbs []string
	// flags are options without a value; the others have one. For options that are not in
	// valued if that is not nil, the same holds the other way round.
	flags, valued []string
}

// docker is what Docker, and the programs that are used alike, take after "run" and before it.
func docker() launcher {
	return launcher{verbs: []string{"run", "create"}, flags: strings.Fields(`-d --detach -i --interactive -t --tty -P --publish-all -q --quiet --rm --init --privileged --read-only
		--no-healthcheck --no-hosts --no-hostname --oom-kill-disable --sig-proxy --disable-content-trust --replace --rmi --tls-verify --http-proxy
		--read-only-tmpfs --env-host --passwd --debug -D --tls --tlsverify --remote -r --help --use-api-socket`)}
}

// apptainer is the same for Apptainer and Singularity.
func apptainer() launcher {
	return launcher{verbs: []string{"exec", "run", "shell", "test"}, valued: strings.Fields(`-B --bind --mount -S --scratch -H --home -W --workdir --pwd --cwd --env --env-file -o --overlay
		--app --hostname --network --network-args --dns --security --apply-cgroups --add-caps --drop-caps --fusemount --pem-path --authfile --blkio-weight
		--blkio-weight-device --cpu-shares --cpus --cpuset-cpus --cpuset-mems --memory --memory-reservation --memory-swap --oom-kill-disable --pids-limit
		--shell --docker-host --tmpdir --device --cdi-dirs --config -c`)}
}

// Started returns the image of the container that a command starts; nil if it starts none, or its
// image cannot be told. Only the words are read.
func Started(argv []string) *record.Container {
	if len(argv) < 2 {
		return nil
	}
	kind := filepath.Base(argv[0])
	var l launcher
	switch kind {
	case "docker", "podman", "nerdctl":
		l = docker()
	case "apptainer", "singularity":
		l = apptainer()
	default:
		return nil
	}
	words := l.skip(argv[1:], true)
	if len(words) > 0 && words[0] == "container" {
		words = words[1:]
	}
	if len(words) == 0 || !slices.Contains(l.verbs, words[0]) {
		return nil
	}
	words = l.skip(words[1:], false)
	if len(words) == 0 {
		return nil
	}
	image := reference(words[0])
	if l.valued != nil {
		image = imageOrFile(words[0])
	}
	if image == "" {
		return nil
	}
	return &record.Container{Kind: kind, Image: image}
}

// skip returns the words after the options. Those of the program itself come before those of its
// verb, and there apptainer's -c has a value.
func (l *launcher) skip(words []string, own bool) []string {
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		option := words[0]
		words = words[1:]
		switch {
		case option == "--":
			return words
		case l.hasValue(option, own) && len(words) > 0:
			words = words[1:]
		}
	}
	return words
}

// hasValue reports whether the value of an option is the next word.
func (l *launcher) hasValue(option string, own bool) bool {
	name, _, attached := strings.Cut(option, "=")
	switch {
	case attached:
		return false
	case strings.HasPrefix(option, "--") || len(option) == 2:
		return l.takes(name, own)
	}
	for i, c := range option[1:] { // -itv: the first that takes a value has the rest
		if l.takes("-"+string(c), own) {
			return i == len(option)-2
		}
	}
	return false
}

func (l *launcher) takes(name string, own bool) bool {
	if l.valued != nil {
		return slices.Contains(l.valued, name) && (own || name != "-c")
	}
	return !slices.Contains(l.flags, name)
}

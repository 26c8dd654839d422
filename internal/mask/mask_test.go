package mask_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand"
	"net/url"
	"slices"
	"strings"
	"testing"

	"qme/internal/mask"
)

func newSet(t testing.TB, o mask.Options) *mask.Set {
	t.Helper()
	if o.Names == nil {
		o.Names = strings.Split(mask.DefaultNames, ",")
	}
	s, err := mask.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestText(t *testing.T) {
	const token = "ghp_abcDEF/123+x y=\"z'"
	s := newSet(t, mask.Options{Environ: []string{
		"GITHUB_TOKEN=" + token + "\n", "db_password=hunter2hunter2", "OLD_TOKEN=hunter2hunter2", "AWS_SECRET_ACCESS_KEY=hunter2hunter2more",
		"SSH_PRIVATE_KEY=-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3\r\nxfnAAAAAAAAAAAAA\n-----END KEY-----\n", "X=plainvalue", "DATABASE_URL=postgres://me@host:1/x?y=z@a:bcdefghijk", "PROXY=http://me:db-passw0rd@host", "SHORT_URL=http://a:b@host",
	}})
	for text, want := range map[string]string{
		"":                        "",
		"plainvalue":              "plainvalue",
		"http://me:db-passw0rd@x": "http://me:[masked:PROXY password]@x",
		"a " + token + " b":       "a [masked:GITHUB_TOKEN] b",
		"https://x?t=" + url.QueryEscape(token) + "&": "https://x?t=[masked:GITHUB_TOKEN url]&",
		"https://x/" + url.PathEscape(token):          "https://x/[masked:GITHUB_TOKEN path]",
		`{"t":"ghp_abcDEF/123+x y=\"z'"}`:             `{"t":"[masked:GITHUB_TOKEN json]"}`,
		`'ghp_abcDEF/123+x y="z'\'''`:                 `'[masked:GITHUB_TOKEN quoted]'`,
		base64.StdEncoding.EncodeToString([]byte(token + "\n")): "[masked:GITHUB_TOKEN base64]" + strings.TrimPrefix(
			base64.StdEncoding.EncodeToString([]byte(token+"\n")), base64.RawStdEncoding.EncodeToString([]byte(token))[:len(token)*8/6]),
		"hunter2hunter2":                "[masked:OLD_TOKEN]",
		"hunter2hunter2more":            "[masked:AWS_SECRET_ACCESS_KEY]",
		"hunter2hunter2mor":             "[masked:OLD_TOKEN]mor",
		"hunter2hunter2hunter2hunter2":  "[masked:OLD_TOKEN][masked:OLD_TOKEN]",
		"+MIIEpAIBAAKCAQEA0Z3VS5JJcds3": "+[masked:SSH_PRIVATE_KEY line2]",
		"hunter2hunter":                 "hunter2hunter",
	} {
		counts := mask.Counts{}
		if got := s.Text(text, counts); got != want {
			t.Errorf("%q became %q, not %q", text, got, want)
		}
		if n := strings.Count(want, "[masked:"); sum(counts) != n {
			t.Errorf("%q has the counts %v, not %d", text, counts, n)
		}
		for _, m := range mask.Markers(want) {
			if m.Name != "GITHUB_TOKEN" {
				continue
			}
			back, ok := mask.Encode(token, m.Form)
			if again := want[:m.Start] + back + want[m.End:]; !ok || again != text {
				t.Errorf("%q is written again as %q", text, again)
			}
		}
	}
}

func sum(c mask.Counts) (n int) {
	for k := range maps.Values(c) {
		n += k
	}
	return n
}

func TestWhatIsNoSecret(t *testing.T) {
	for _, kv := range []string{
		"A_TOKEN=short12", "A_TOKEN=", "A_TOKEN=true", "DB_PASSWORD=postgres", "A_SECRET=********", "A_SECRET=/home/me/.secret",
		"A_SECRET=~/a/secret", "A_SECRET=/usr/share/secret", "A_PASSWORD_FILE=some/where.txt", "A_SECRET=workuser1", "TOKENIZERS_PARALLELISM=disabled2",
		"CACHE_KEY=results-2026", "PRIMARY_KEY=patient_id", "OLDPWD=somewhere1", "MONKEY=gibbon-species", "N_TOKENS=100000000",
	} {
		_, value, _ := strings.Cut(kv, "=")
		s := newSet(t, mask.Options{Environ: []string{"HOME=/home/me", "USER=workuser1", kv}})
		if got := s.Text("a "+value+" b", mask.Counts{}); got != "a "+value+" b" {
			t.Errorf("of %s there is %q", kv, got)
		}
	}
	for _, kv := range []string{"A_TOKEN=12345678", "MYSQL_PWD=abcdefgh", "sshpass=abcdefgh", "AWS_SECRET_ACCESS_KEY=/abc/DEFghi+jkl", "QME_SERVER_KEY=abcdefgh", "GITHUB_TOKEN_2=abcdefgh", "TOKEN=abcdefgh"} {
		_, value, _ := strings.Cut(kv, "=")
		s := newSet(t, mask.Options{Environ: []string{"HOME=/home/me", kv}})
		if got := s.Text("a "+value+" b", mask.Counts{}); strings.Contains(got, value) {
			t.Errorf("of %s there is %q", kv, got)
		}
	}
}

func TestNames(t *testing.T) {
	s := newSet(t, mask.Options{Names: []string{"A_*", "B?", "!*_PLAIN"}, Environ: []string{"A_X=aaaabbbb", "B1=bbbbcccc", "BUILD_TOKEN=ccccdddd", "A_PLAIN=ddddeeee"}})
	if got := s.Text("aaaabbbb bbbbcccc ccccdddd ddddeeee", mask.Counts{}); got != "[masked:A_X] [masked:B1] ccccdddd ddddeeee" {
		t.Error(got)
	}
	if s := newSet(t, mask.Options{Names: []string{}, Environ: []string{"A_TOKEN=aaaabbbb"}}); !s.Empty() {
		t.Error("an empty list masks something")
	}
}

func TestVariable(t *testing.T) {
	s := newSet(t, mask.Options{Environ: []string{"DB_PASSWORD=abc", "A_TOKEN=aaaabbbb", "EMPTY_TOKEN="}})
	counts := mask.Counts{}
	for name, want := range map[string]string{"DB_PASSWORD=abc": "[masked:DB_PASSWORD]", "URL=x:aaaabbbb@": "x:[masked:A_TOKEN]@", "LANG=abc": "abc", "EMPTY_TOKEN=": ""} {
		name, value, _ := strings.Cut(name, "=")
		if got := s.Variable(name, value, counts); got != want {
			t.Errorf("%s is recorded as %q", name, got)
		}
	}
	if !maps.Equal(counts, mask.Counts{"DB_PASSWORD": 1, "A_TOKEN": 1}) {
		t.Error(counts)
	}
}

func TestPatterns(t *testing.T) {
	s := newSet(t, mask.Options{Environ: []string{"A_TOKEN=aaaabbbb"}, Patterns: []string{`ghp_\w{4,}`, `(?i)password[= ]\S+`, `^key .+$`, `[a-z]{3}\s\d{5}`}})
	for text, want := range map[string]string{
		"x ghp_abcd y":           "x [masked:pattern1] y",
		"Password=ghp_abcdef z":  "[masked:pattern2] z",
		"a\nkey 1\nb\n":          "a\n[masked:pattern3]\nb\n",
		"password=aaaabbbb ":     "[masked:pattern2] ",
		"abc\n12345 abc 12345":   "abc\n12345 [masked:pattern4]",
		"a\rkey 1\nb\rkey 2":     "a\r[masked:pattern3]\nb\r[masked:pattern3]",
		"[masked:A_TOKEN] ghp_a": "[masked:A_TOKEN] ghp_a",
	} {
		if got := s.Text(text, mask.Counts{}); got != want {
			t.Errorf("%q became %q, not %q", text, got, want)
		}
	}
	counts := mask.Counts{}
	got := s.Words([]string{"mysql", "--password", "abc def", "-t", "aaaabbbb"}, counts)
	if want := []string{"mysql", "--[masked:pattern2]", "[masked:pattern2] def", "-t", "[masked:A_TOKEN]"}; !slices.Equal(got, want) || sum(counts) != 3 {
		t.Errorf("%q, %v", got, counts)
	}
	for _, bad := range []string{"(", "a*", `a\nb`, "", "x{2000}"} {
		if mask.Check(bad) == nil {
			t.Errorf("the pattern %q is taken", bad)
		}
	}
}

func TestNothing(t *testing.T) {
	s := newSet(t, mask.Options{Environ: []string{"PATH=/bin", "LANG=C"}})
	if !s.Empty() || s.Writer(&bytes.Buffer{}) != nil || s.Text("abc", nil) != "abc" || s.Variable("A", "b", nil) != "b" || !slices.Equal(s.Words([]string{"a"}, nil), []string{"a"}) {
		t.Error("nothing to mask costs something")
	}
	var none *mask.Set
	if !none.Empty() || none.Text("abc", nil) != "abc" || none.Writer(&bytes.Buffer{}) != nil || none.ForCommand([]string{"A_TOKEN=abcdefghi"}) != nil {
		t.Error("no set masks something")
	}
	if !s.With(mask.Secret{Name: "A", Value: "short"}).Empty() {
		t.Error("a short value is masked")
	}
	if got := s.With(mask.Secret{Name: "A", Value: "long enough"}).Text("is long enough.", mask.Counts{}); got != "is [masked:A]." {
		t.Error(got)
	}
}

func TestForCommand(t *testing.T) {
	for command, want := range map[string]string{
		"env\x00A_TOKEN=aaaa bbbb;cc\x00x":                               "env\x00A_TOKEN=[masked:A_TOKEN]\x00x",
		"env\x00A_TOKEN=aaaabbbb;cc\x00x":                                "env\x00A_TOKEN=[masked:A_TOKEN]\x00x",
		"docker\x00run\x00--env=DB_PASSWORD=aaaabbbb":                    "docker\x00run\x00--env=DB_PASSWORD=[masked:DB_PASSWORD]",
		"sbatch\x00--export=ALL,DB_PASSWORD=aaaabbbb,X=1":                "sbatch\x00--export=ALL,DB_PASSWORD=[masked:DB_PASSWORD],X=1",
		"sh\x00-c\x00A_TOKEN=aaaabbbb ./x; B_TOKEN='cc dd ee ff' y":      "sh\x00-c\x00A_TOKEN=[masked:A_TOKEN] ./x; B_TOKEN='[masked:B_TOKEN]' y",
		"sh\x00-c\x00A_TOKEN=\"aaaabbbb\" ./x aaaabbbb":                  "sh\x00-c\x00A_TOKEN=\"[masked:A_TOKEN]\" ./x [masked:A_TOKEN]",
		"sh\x00-c\x00A_TOKEN=$(pass x/y) B_TOKEN=\"$C_TOKEN$D_TOKEN\" x": "sh\x00-c\x00A_TOKEN=$(pass x/y) B_TOKEN=\"$C_TOKEN$D_TOKEN\" x",
		"train\x00--pad_token=<|endoftext|>\x00--TOKENIZER=something":    "train\x00--pad_token=<|endoftext|>\x00--TOKENIZER=something",
		"make\x00LEVEL=very-high\x00=\x00A_TOKEN=":                       "make\x00LEVEL=very-high\x00=\x00A_TOKEN=",
	} {
		words := strings.Split(command, "\x00")
		s := newSet(t, mask.Options{}).ForCommand(words)
		if got := strings.Join(s.Words(words, mask.Counts{}), "\x00"); got != want {
			t.Errorf("%q became %q", command, got)
		}
	}
}

// TestHeldBack shows that what cannot be a secret is passed on at once.
func TestHeldBack(t *testing.T) {
	var out bytes.Buffer
	w := newSet(t, mask.Options{Environ: []string{"A_TOKEN=secretvalue"}}).Writer(&out)
	for _, step := range [][2]string{{"go on? ", "go on? "}, {"sec", "go on? "}, {"ond", "go on? second"}, {" secretsecretvalu", "go on? second secret"}} {
		w.Write([]byte(step[0]))
		if out.String() != step[1] {
			t.Errorf("after %q there is %q", step[0], out.String())
		}
	}
	w.Close()
	if got := out.String(); got != "go on? second secretsecretvalu" {
		t.Error(got)
	}
}

// TestLongLines shows that matches of patterns are found wherever a long line is taken apart.
func TestLongLines(t *testing.T) {
	s := newSet(t, mask.Options{Patterns: []string{`key=[0-9a-f]{32}`}})
	key := "key=0123456789abcdef0123456789abcdef"
	for at := 64<<10 - 4<<10 - 50; at < 64<<10+50; at += 7 {
		text := strings.Repeat("x", at) + key + strings.Repeat("y", 70<<10)
		want := strings.Replace(text, key, "[masked:pattern1]", 1)
		for _, size := range []int{len(text), 4 << 10} {
			var out bytes.Buffer
			w := s.Writer(&out)
			for b := range slices.Chunk([]byte(text), size) {
				w.Write(b)
			}
			w.Close()
			if out.String() != want {
				t.Fatalf("a key at %d is not masked", at)
			}
		}
	}
}

// naive masks the first and longest values of a whole text.
func naive(text string, values map[string]string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		longest := ""
		for v := range values {
			if len(v) > len(longest) && strings.HasPrefix(text[i:], v) {
				longest = v
			}
		}
		if longest == "" {
			out.WriteByte(text[i])
			i++
			continue
		}
		out.WriteString("[masked:" + values[longest] + "]")
		i += len(longest)
	}
	return out.String()
}

// FuzzWriter compares a stream in pieces with the whole text.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("abababab"), []byte("ababababc"), []byte("xx ababababab ababababc"), int64(1))
	f.Add([]byte("aaaaaaaaab"), []byte("aaaaaaaaa"), []byte("aaaaaaaaaaaaaaaaaab"), int64(2))
	f.Fuzz(func(t *testing.T, a, b, text []byte, seed int64) {
		r := rand.New(rand.NewSource(seed))
		values := map[string]string{}
		var environ []string
		for i, v := range []string{string(a), string(b), string(a) + string(b)} {
			if v = strings.ReplaceAll(v, "\n", "n"); len(v) < 8 || v != strings.TrimSpace(v) || strings.Trim(v, v[:1]) == "" || strings.ContainsAny(v, "/~\x00") || values[v] != "" {
				continue
			}
			values[v] = fmt.Sprintf("T%d_TOKEN", i)
			environ = append(environ, values[v]+"="+v)
		}
		if len(environ) == 0 {
			return
		}
		// Values among the text, and parts of them.
		for v := range values {
			at, cut := r.Intn(len(text)+1), r.Intn(len(v)+1)
			text = slices.Concat(text[:at], []byte(v), []byte(v[:cut]), text[at:])
		}
		s := newSet(t, mask.Options{Environ: environ})
		counts := mask.Counts{}
		whole := s.Text(string(text), counts)
		if !strings.Contains(whole, " base64") && !strings.Contains(whole, " url") && !strings.Contains(whole, " path") && !strings.Contains(whole, " json") && !strings.Contains(whole, " quoted") {
			if want := naive(string(text), values); whole != want {
				t.Fatalf("%q became %q, not %q", text, whole, want)
			}
		}
		var out bytes.Buffer
		w := s.Writer(&out)
		for rest := text; len(rest) > 0; {
			n := 1 + r.Intn(min(len(rest), 1+r.Intn(64)))
			if k, err := w.Write(rest[:n]); k != n || err != nil {
				t.Fatal(k, err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if out.String() != whole || !maps.Equal(counts, w.Counts()) {
			t.Fatalf("%q of %q in pieces became %q %v, not %q %v", text, environ, out.String(), w.Counts(), whole, counts)
		}
	})
}

// FuzzPatterns compares a stream in pieces with the whole text.
func FuzzPatterns(f *testing.F) {
	f.Add(`k=[^,]{1,9}`, []byte("a\nk=1\rk=22,k=333\r\nk=4444\n"), int64(1))
	f.Fuzz(func(t *testing.T, pattern string, text []byte, seed int64) {
		s, err := mask.New(mask.Options{Patterns: []string{pattern, `ab+c`}})
		if err != nil {
			return
		}
		r := rand.New(rand.NewSource(seed))
		whole := s.Bytes(slices.Clone(text), mask.Counts{})
		var out bytes.Buffer
		w := s.Writer(&out)
		for rest := text; len(rest) > 0; {
			n := 1 + r.Intn(len(rest))
			w.Write(rest[:n])
			rest = rest[n:]
		}
		w.Close()
		if !bytes.Equal(out.Bytes(), whole) {
			t.Fatalf("%q of %q in pieces became %q, not %q", text, pattern, out.Bytes(), whole)
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	texts := map[string][]byte{
		"zero": make([]byte, 256<<10),
		"yes":  bytes.Repeat([]byte("y\n"), 128<<10),
		"text": bytes.Repeat([]byte("2026-11-29 14:00:01 epoch 12 loss=0.1234 accuracy=0.9876 token_count=512 /home/user/data/train.csv\n"), 2700),
	}
	for _, secrets := range []int{1, 10, 100} {
		var environ []string
		for i := range secrets {
			environ = append(environ, fmt.Sprintf("T%d_TOKEN=%s%d", i, "ghp_abcd"[:7+min(i, 1)], i))
		}
		for name, text := range texts {
			b.Run(fmt.Sprintf("%s/%d", name, secrets), func(b *testing.B) {
				w := newSet(b, mask.Options{Environ: environ}).Writer(discard{})
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					w.Write(text)
				}
			})
		}
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func BenchmarkNew(b *testing.B) {
	environ := []string{"A_TOKEN=ghp_0123456789abcdef", "HOME=/root", "USER=root"}
	for i := range 80 {
		environ = append(environ, fmt.Sprintf("VARIABLE_NAME_%d=%0*d", i, i, i))
	}
	for _, secrets := range []int{0, 1} {
		b.Run(fmt.Sprint(secrets), func(b *testing.B) {
			o := mask.Options{Environ: environ[1-secrets:], Names: strings.Split(mask.DefaultNames, ",")}
			for b.Loop() {
				mask.New(o)
			}
		})
	}
}

// Package docs tests the documentation: it runs the transcripts in it and
// follows its links. CONTRIBUTING.md gives the rules for transcripts.
package docs

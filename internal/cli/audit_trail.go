package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/server"
	"github.com/rolebroker/rolebroker/internal/trail"
)

func newAuditExport(a *app) *cobra.Command {
	var since time.Time
	var file string
	var format choice
	from := int64(-1)
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the audit trail as lines of JSON or OCSF",
		Long: `Write the audit trail as lines of JSON: the state of the trail before the first event,
then every event, in the order of the trail, and signed checkpoints between them.
rolebroker audit verify reads that, and needs no server for it.

With --format ocsf, each line is an event of the Open Cybersecurity Schema Framework, as
log systems and SIEMs read it, of the class API Activity, with the line of the other
format in its field unmapped. It has no checkpoints, so verify cannot read it.

Each event has a sequence. To export the rest later, give the one after the last. An
event gets its place within about a second; one that has none yet is not exported.`,
		Example: `  rolebroker audit export -o audit.jsonl
  rolebroker audit export --from-sequence 1204 -o audit-2.jsonl
  rolebroker audit export --since 7d | jq .event
  rolebroker audit export --format ocsf -o audit.ocsf.jsonl`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if from >= 0 && !since.IsZero() {
				return usage("--from-sequence and --since cannot be combined")
			}
			return a.writeExport(file, "exporting the audit trail", func(to io.Writer) error {
				return c.ExportAudit(cmd.Context(), from, since, rolebroker.AuditFormat(format.value), to)
			})
		},
	}
	f := cmd.Flags()
	f.Var(a.timeFlag(&since), "since", "begin with the first event at `TIME` or later")
	f.Int64Var(&from, "from-sequence", -1, "begin with the event of sequence `N`")
	f.Lookup("from-sequence").DefValue = ""
	format.flag(cmd, "format", "", "write in `FORMAT`: jsonl, which can be verified, or ocsf", "jsonl", "ocsf")
	f.StringVarP(&file, "output", "o", "", "write to `FILE`, which must not exist, not to stdout")
	return cmd
}

func newAuditCheckpoint(a *app) *cobra.Command {
	return asking(a, &cobra.Command{
		Use:   "checkpoint",
		Short: "Print the newest checkpoint of the audit trail",
		Long: `Print the newest signed checkpoint of the audit trail, to keep outside the reach of
whoever runs the server and its database, such as in a bucket with object lock of
another account. rolebroker audit verify --checkpoint compares the trail with it.`,
		Example: `  rolebroker audit checkpoint >checkpoint-$(date +%F).txt`,
	}, "reading the newest checkpoint",
		func(ctx context.Context, c *client.Client, _ []string) (api.AuditTrail, error) {
			return c.AuditTrail(ctx)
		},
		func(o output, t api.AuditTrail) error {
			if o.forMachines() {
				return a.encode(o.value, t)
			}
			if t.Checkpoint == "" {
				return rolebroker.Errorf(rolebroker.CodeNotFound, "the audit trail has no checkpoint yet").
					WithHint("try again in some seconds")
			}
			if !t.Signed {
				a.note("warning: no key signs the audit trail of this server")
			}
			_, err := io.WriteString(a.Stdout, t.Checkpoint)
			return err
		})
}

func newAuditKey(a *app) *cobra.Command {
	cfg := config.DefaultServer()
	flags := cfg.Flags()
	var create, rotate bool
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Print the public key of the audit trail, make or rotate the key",
		Long: `Print the public keys that verify checkpoints of the audit trail, the newest first, from
the file of rolebroker server --audit-key. Run it where the server runs. The key itself
is never printed. GET /api/v1/platform has the public keys, too.

--create makes a key. A server with SQLite does that at its first start. With
PostgreSQL, make one and give every replica the same file.

--rotate puts a new key in its place. The file keeps the public keys of the earlier
ones, so that what they signed still verifies. Restart the server to use the new key.

Who has both the key and write access to the database can write another history. Keep
the file out of reach of the database and of its backups, and a copy of it elsewhere: a
key that is lost can only be replaced.`,
		Example: `  rolebroker audit key
  rolebroker audit key --create --audit-key /etc/rolebroker/audit-key
  rolebroker audit key --rotate --audit-key /etc/rolebroker/audit-key`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.LoadDatabase(flags, a.outside()); err != nil {
				return usageError{err}
			}
			path := cfg.AuditKeyFile()
			if path == "" {
				return usage("--audit-key: name the file; with PostgreSQL there is no default")
			}
			key, err := keyAt(path, create, rotate)
			if err != nil {
				return err
			}
			_, err = io.WriteString(a.Stdout, strings.Join(key.All(), "\n")+"\n")
			return err
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.AddFlagSet(config.AuditKeyFlags(flags))
	f.BoolVar(&create, "create", false, "make a key; the file must not exist")
	f.BoolVar(&rotate, "rotate", false, "put a new key in the place of the one in the file")
	cmd.MarkFlagsMutuallyExclusive("create", "rotate")
	return cmd
}

// keyAt returns the key in a file, after making or rotating it.
func keyAt(path string, create, rotate bool) (*trail.Key, error) {
	if rotate {
		return trail.RotateKey(path)
	}
	if !create {
		key, err := trail.ReadKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = rolebroker.Errorf(rolebroker.CodeNotFound, "there is no audit key in %s", path).WithSteps(
				rolebroker.Step{Text: "the file is where the server runs; from elsewhere, this shows the public keys:",
					Command: "rolebroker platform"},
				rolebroker.Step{Text: "if no server has a key yet, make one:",
					Command: "rolebroker audit key --create --audit-key " + rolebroker.ShellQuote(path)})
		}
		return key, err
	}
	key, made, err := trail.OpenKey(path)
	if err == nil && !made {
		err = usage("%s has a key; use --rotate to put a new one in its place", path)
	}
	return key, err
}

// verification is what audit verify prints with --output.
type verification struct {
	Verified    bool     `json:"verified"`
	Error       string   `json:"error,omitempty"`
	Sequence    *int64   `json:"bad_sequence,omitempty"` // of the first bad event
	Event       string   `json:"bad_event,omitempty"`    // its ID; empty if it is missing
	First       int64    `json:"first_sequence"`
	Events      int64    `json:"events"`
	Signed      int64    `json:"signed_events"`   // covered by a signed checkpoint
	Unsigned    int64    `json:"unsigned_events"` // after it
	Checkpoints int      `json:"checkpoints"`
	Matched     int      `json:"known_checkpoints_matched"`
	Unmatched   []int64  `json:"known_checkpoints_before_first,omitempty"`
	Keys        []string `json:"keys"`
	Root        string   `json:"root"`
}

// verifying is how audit verify was called.
type verifying struct {
	a        *app
	cfg      *config.Server
	database bool // of cfg
	file     string
	keys     []string
	known    []string // files
	unsigned bool
}

func newAuditVerify(a *app) *cobra.Command {
	v := verifying{a: a, cfg: config.DefaultServer()}
	flags := v.cfg.Flags()
	var out output
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Prove that the audit trail is complete and unaltered",
		Long: `Prove that no event of the audit trail was altered, dropped, inserted or reordered since a
checkpoint was signed, or name the first bad event and exit with 1.

It reads an export, FILE or - for stdin; or the database that --database names, also
while servers use it; or else the trail of the server that ROLEBROKER_URL names. The
public keys are those that --key names. Without it, they are those of the server or, with
--database, those in the file of --audit-key. A file needs --key and no server.

A key that comes from the side that you verify proves little: keep the public key, and
now and then a checkpoint, elsewhere. --checkpoint compares the trail with one, which
shows that nobody wrote another history, not even with the key.`,
		Example: `  rolebroker audit verify
  rolebroker audit verify audit.jsonl --key "$PUBLIC_KEY" --checkpoint checkpoint.txt
  rolebroker audit verify --database postgres://rolebroker@db/rolebroker --audit-key audit-key`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 {
				v.file = given[0]
			}
			v.database = cmd.Flags().Changed("database") || cmd.Flags().Changed("config")
			if v.database {
				if err := v.cfg.LoadDatabase(flags, a.outside()); err != nil {
					return usageError{err}
				}
				a.warnOfPassword(cmd, "database", v.cfg)
			}
			return v.run(cmd.Context(), out)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&v.keys, "key", nil, "verify with the public key `KEY`; can be given several times")
	f.StringArrayVar(&v.known, "checkpoint", nil, "compare with the checkpoint in `FILE`; can be given several times")
	f.BoolVar(&v.unsigned, "unsigned", false, "the trail has no signatures: no server had a key")
	f.AddFlagSet(config.AuditKeyFlags(flags))
	out.flag(cmd)
	return cmd
}

func (v *verifying) run(ctx context.Context, out output) error {
	if v.file != "" && v.database {
		return usage("FILE and --database cannot be combined")
	}
	if v.unsigned && len(v.keys) > 0 {
		return usage("--unsigned and --key cannot be combined")
	}
	expect, err := v.expect(ctx)
	if err != nil {
		return err
	}
	done := v.a.progress("verifying the audit trail")
	report, err := v.verify(ctx, expect)
	done()
	var broken *trail.Broken
	if err != nil && !errors.As(err, &broken) {
		return forOperator(err)
	}
	return v.show(out, report, broken)
}

// expect collects keys and known checkpoints.
func (v *verifying) expect(ctx context.Context) (e trail.Expect, err error) {
	for _, file := range v.known {
		text, err := os.ReadFile(file)
		if err != nil {
			return e, err
		}
		e.Known = append(e.Known, string(text))
	}
	if len(v.keys) == 0 && !v.unsigned {
		if v.keys, err = v.findKeys(ctx); err != nil {
			return e, err
		}
	}
	if len(v.keys) > 0 {
		if e.Keys, err = trail.Keys(v.keys...); err != nil {
			return e, usage("--key: %s", err)
		}
	}
	return e, nil
}

// findKeys returns the keys if none is given; none: nothing signs the trail.
func (v *verifying) findKeys(ctx context.Context) ([]string, error) {
	switch {
	case v.file != "":
		return nil, usage("--key: a file needs the public key, which rolebroker platform shows, and where the server runs " +
			"rolebroker audit key; or --unsigned, if no server had a key")
	case v.database:
		path := v.cfg.AuditKeyFile()
		if path == "" {
			return nil, usage("--audit-key or --key: name the key; or --unsigned, if no server had one")
		}
		key, err := keyAt(path, false, false)
		if err != nil {
			return nil, err
		}
		return key.All(), nil
	}
	p, err := ask(ctx, v.a, "reading the public keys",
		func(ctx context.Context, c *client.Client) (api.Platform, error) { return c.Platform(ctx) })
	return p.AuditKeys, err
}

func (v *verifying) verify(ctx context.Context, expect trail.Expect) (trail.Report, error) {
	if v.file != "" {
		if v.file == "-" {
			return trail.Verify(v.a.Stdin, expect)
		}
		file, err := os.Open(v.file)
		if err != nil {
			return trail.Report{}, err
		}
		defer file.Close()
		return trail.Verify(file, expect)
	}
	size, export, err := v.source(ctx)
	if err != nil {
		return trail.Report{}, err
	}
	expect.Size = size
	in, to := io.Pipe()
	defer in.Close()
	go func() { to.CloseWithError(export(to)) }()
	return trail.Verify(in, expect)
}

// source returns what exports the trail of the database or of the server, and how many events that says it has.
func (v *verifying) source(ctx context.Context) (size int64, export func(io.Writer) error, err error) {
	if v.database {
		from := server.Offline{Version: v.a.version()}
		t, err := from.AuditTrail(ctx, v.cfg)
		return t.Size, func(to io.Writer) error { return from.ExportTrail(ctx, v.cfg, to) }, err
	}
	c, err := v.a.client()
	if err != nil {
		return 0, nil, err
	}
	t, err := c.AuditTrail(ctx)
	return t.Size, func(to io.Writer) error {
		return c.ExportAudit(ctx, -1, time.Time{}, rolebroker.AuditJSONL, to)
	}, err
}

func (v *verifying) show(out output, r trail.Report, broken *trail.Broken) error {
	answer := verification{Verified: broken == nil, First: r.First, Events: r.Records, Signed: r.Covered,
		Unsigned: r.Records - r.Covered, Checkpoints: r.Checkpoints, Matched: r.Matched, Unmatched: r.Unmatched,
		Keys: append([]string{}, v.keys...), Root: r.Tree.Root.String()}
	if len(v.keys) == 0 {
		answer.Signed, answer.Unsigned = 0, r.Records
	}
	if broken != nil {
		answer.Error, answer.Sequence, answer.Event, answer.Root = broken.Error(), &broken.Sequence, broken.ID, ""
	}
	if out.forMachines() {
		if err := v.a.encode(out.value, answer); err != nil {
			return err
		}
		if broken != nil {
			return codeError{code: exitFailed}
		}
		return nil
	}
	if broken != nil {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "the audit trail is not whole: %s", broken).
			WithHint("events before that one are as they were recorded; compare with an earlier export or a backup")
	}
	_, err := v.a.Stdout.Write(answer.text())
	return err
}

// text says what was proven, and what was not.
func (n verification) text() []byte {
	var b bytes.Buffer
	if n.Events == 0 {
		b.WriteString("The audit trail is empty: there is no event to verify. If it had events before, someone deleted " +
			"them: compare with a checkpoint from elsewhere, --checkpoint.\n")
	}
	fmt.Fprintf(&b, "Verified %s", events(n.Events))
	if n.First > 0 {
		fmt.Fprintf(&b, ", from event %d on; retention or --from-sequence left out those before", n.First)
	}
	b.WriteString(".\n")
	switch {
	case len(n.Keys) == 0:
		b.WriteString("No key signs the trail: who can write to the database can have altered any of them.\n")
	case n.Events == 0:
	case n.Unsigned > 0:
		fmt.Fprintf(&b, "Signed checkpoints cover %s; the last %d are newer than the newest checkpoint, which does "+
			"not protect them.\n", events(n.Signed), n.Unsigned)
	default:
		b.WriteString("Signed checkpoints cover all of them.\n")
	}
	switch {
	case n.Matched > 0:
		fmt.Fprintf(&b, "The trail agrees with %d of your checkpoints.\n", n.Matched)
	default:
		b.WriteString("No checkpoint from elsewhere was compared: who has both the database and the key could have " +
			"written another history.\n")
	}
	for _, size := range n.Unmatched {
		fmt.Fprintf(&b, "Your checkpoint of %d events is older than the first event that is there: it says nothing.\n", size)
	}
	return b.Bytes()
}

func events(n int64) string {
	if n == 1 {
		return "1 event"
	}
	return cmp.Or(count(n), "0") + " events"
}

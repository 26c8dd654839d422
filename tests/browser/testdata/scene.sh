# What the pictures of the documentation show: a day of ada's on login1. It is started in
# namespaces of its own, so that the name of the machine and /home are nobody else's.
set -eu
hostname login1
mount -t tmpfs none /home
mkdir -p /home/ada/proj
cd /home/ada/proj
export HOME=/home/ada USER=ada LOGNAME=ada
git init --quiet --initial-branch=main .
git config user.name Ada
git config user.email ada@example.org

cat >train.py <<'END'
import sys, time
epochs, wait = int(sys.argv[2]), float(sys.argv[4])
print("\033[1mresnet50\033[0m  25.6 M parameters, 8 workers, seed 42", flush=True)
for epoch in range(1, epochs + 1):
    done = 24 * epoch // epochs
    loss = 0.35 + 1.6 / (1 + 0.12 * epoch)
    bar = "\033[32m" + "█" * done + "\033[0m" + "\033[2m" + "─" * (24 - done) + "\033[0m"
    print(f"epoch {epoch:3}/{epochs}  {bar}  loss {loss:.4f}  acc \033[1m{100 - 42 * loss:.1f} %\033[0m  lr 3.0e-04", flush=True)
    if epoch % 9 == 0:
        print(f"\033[33mwarning:\033[0m gradient norm {12.4 + epoch:.1f} clipped in layer{epoch // 9 + 1}.0.conv2", flush=True)
    if epoch % 10 == 0:
        print(f"\033[2m  saved checkpoints/epoch-{epoch:03}.pt\033[0m", flush=True)
    time.sleep(wait)
END
cat >prep.sh <<'END'
echo "reading 48 volumes"
echo "prep.sh: sub-07_bold.nii.gz: truncated header" >&2
exit 2
END
seq 300 | sort -R >data.txt
git add . && git commit --quiet -m 'Train on 48 volumes'

run() { "$QME" -q "$@" >/dev/null 2>&1 || true; }
run -m 'what the figures need' run make figures
run run du -sh .
run run 'sort data.txt | uniq -c | sort -rn | head'
run run sh prep.sh
run -m 'lr sweep, second try' run python3 train.py --epochs 30 --wait 0.01
run rerun @1
run rerun @1
run name @1 baseline
run tag @1 +paper +sweep
run note @1 'The loss is flat from epoch 24 on: try a lower rate.'
run run python3 -m compileall -q .
run run git status
"$QME" -q -m 'the long one' run python3 train.py --epochs 400 --wait 0.5 >/dev/null &
exec "$QME" start --no-browser --port 0

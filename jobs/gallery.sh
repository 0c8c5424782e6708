#!/usr/bin/env bash
# Remakes the figures that pages show: runs the full-size jobs, some twenty minutes in all on two cores, prints
# their verdicts, and copies the plots.
#
#   cargo build --release
#   jobs/gallery.sh [NAME...]    # e.g. figure1 transfer; all without a name
#
# A job whose directory in runs/ is there resumes; one that is finished only reports again.
set -euo pipefail
cd "$(dirname "$0")/.."

NFD=${NFD:-target/release/nfd}

# Name in the gallery, job, plot.
PLOTS="
anatomy              anatomy     couplings-accumulated-exact
figure1              figure1     strong-g-depth-all-widths
figure2              figure2     closure-gap-loss-test-by-depth
figure3              figure3     eigmin-features-width
limit                limit       limit-output
quickstart-coupling  quickstart  coupling-forward-layer-depth
quickstart-gap       quickstart  closure-gap-f-depth
theorem              theorem     coupling-forward-layer-depth
transfer             transfer    loss-by-rate-depth-mup
transfer-corrected   transfer    loss-by-rate-depth-mup-corrected
transfer-adam        transfer-adam loss-by-rate-depth-mup
transfer-muon        transfer-muon loss-by-rate-depth-mup
"

jobs=("$@")
if [ $# -eq 0 ]; then
  mapfile -t jobs < <(awk 'NF { print $2 }' <<<"$PLOTS" | sort -u)
fi
for job in "${jobs[@]}"; do
  echo "== $job"
  # 3: some runs diverged, as transfer's do at its largest rates; the rest is reported.
  "$NFD" run "jobs/$job.json" --output "runs/$job" || [ $? -eq 3 ]
  while read -r name from plot; do
    [ "$from" != "$job" ] || cp "runs/$job/plots/$plot.svg" "jobs/gallery/$name.svg"
  done <<<"$PLOTS"
done

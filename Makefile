# Two commands do all set-up: `make demo` and `make test`. The rest is for those who work on laconic.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
REASON ?= not stated
FUZZ_SECONDS ?= 1000
PEERS ?= ../peers
TRAINING := build/training
WALLOC ?= $(TRAINING)/walloc/result.safetensors
CURVES ?= $(foreach name,transform synthesis walloc,$(addprefix $(name)=,$(wildcard $(TRAINING)/$(name)/curve.jsonl)))
SOUNDS := --kind sound --tree mdct --force
PICTURES := $(DATA)/clothing10/train $(DATA)/bsds500/train $(DATA)/imagenet_sample/train
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
NATIVE := CMakeLists.txt pyproject.toml constraints.txt $(wildcard entropy/native/*) $(wildcard codecs/native/*)
SOURCES := $(NATIVE) $(shell find codecs entropy tasks -name '*.py' -o -name '*.safetensors')

.PHONY: bench-task-aware bench-learning bench-learning-full bench-learning-study demo test lint compare check-aarch64 fuzz fuzz-coverage fuzz-corpus soak pack-kills models tokens train-models train-large train-walloc train-factorized bench-rd bench-projections bench-machine-quality bench-machine bench-speed bench-loading bench-start bench-audio bench-cubes bench-long-sounds bench-entropy readme clean

demo: $(VENV)/installed
	$(BIN)/python tasks/examples/demo.py
	test -e $(VENV)/developer || $(INSTALL) '.[torch]'
	$(BIN)/python tasks/examples/demo_learning.py

# On every core, up to four: each of the processes holds torch in memory and computes with one thread.
test: $(VENV)/developer lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

lint: $(VENV)/developer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The coder's bytes on another processor; needs a cross compiler and an emulator, and says so.
check-aarch64:
	sh tests/entropy/native/check_aarch64.sh

# libFuzzer under ASan and UBSan, so long for each target; needs clang, and says so.
fuzz: $(VENV)/developer
	-$(INSTALL) atheris
	$(BIN)/python tests/entropy/fuzz/fuzz.py run $(FUZZ_SECONDS)

# The lines of the coder that the committed inputs reach.
fuzz-coverage: $(VENV)/developer
	$(BIN)/python tests/entropy/fuzz/coverage.py build/coverage

# The committed inputs, anew from seeds and from what `make fuzz` found.
fuzz-corpus: $(VENV)/developer
	$(BIN)/python tests/entropy/fuzz/fuzz.py corpus

# Every file of a folder, through the command and as Pillow or soundfile reads it; hours for all of $(DATA).
compare: $(VENV)/developer
	$(BIN)/python tests/compare_folder.py $(DATA)

# Packing killed at twenty random moments; each time, the same command must end with the same bytes.
pack-kills: $(VENV)/developer
	LACONIC_KILLS=20 $(BIN)/python -m pytest -q tests/tasks/test_pack_kill.py

# A hundred million random symbols of every type through the coder; minutes.
soak: $(VENV)/developer
	$(BIN)/python tests/entropy/soak.py

# The core only, as a user installs it. A developer's environment serves as well.
$(VENV)/installed: $(SOURCES)
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	test -e $(VENV)/developer || $(INSTALL) .
	touch $@

$(VENV)/developer: $(NATIVE)
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e '.[torch,export,eval,judges,bench,compressai,encodec,ray,dev]'
	$(INSTALL) --no-deps 'compressai==1.2.8' 'rapidocr-onnxruntime==1.4.4' 'resemblyzer==0.1.4' \
	  'litdata==0.2.76' 'torchaudio==2.11.1'
	touch $@

# The shipped models, from their data (codecs/models/README.md).
models: $(VENV)/developer
	$(BIN)/laconic fit $(PICTURES) -o codecs/models/rgb.safetensors --rgb --name rgb \
	  --projection codecs/models/rgb.safetensors --axes rgb_best --force
	$(BIN)/laconic fit $(DATA)/clothing10/train -o codecs/models/grey.safetensors --grey --name grey \
	  --projection codecs/models/grey.safetensors --axes grey_best --force
	$(BIN)/laconic fit $(DATA)/an4/train -o codecs/models/speech_machine.safetensors $(SOUNDS) --depth 7 --tune machine
	$(BIN)/laconic fit $(DATA)/music/train $(DATA)/esc10/train -o codecs/models/mono_machine.safetensors $(SOUNDS) --depth 9 \
	  --tune machine
	$(BIN)/laconic fit $(DATA)/music/train -o codecs/models/stereo_machine.safetensors $(SOUNDS) --depth 9 --tune machine \
	  --sound-channels 2
	$(BIN)/laconic fit $(DATA)/an4/train -o codecs/models/speech_mdct.safetensors $(SOUNDS) --tune snr
	$(BIN)/laconic fit $(DATA)/music/train -o codecs/models/stereo_mdct.safetensors $(SOUNDS) --depth 9 --tune snr --sound-channels 2
	$(BIN)/laconic fit $(DATA)/music/train $(DATA)/esc10/train -o codecs/models/mono_mdct.safetensors $(SOUNDS) --depth 10 --tune snr
	$(BIN)/laconic fit $(DATA)/an4/train -o codecs/models/speech.safetensors --kind sound --tune snr --force
	$(BIN)/laconic fit $(DATA)/music/train -o codecs/models/stereo.safetensors --kind sound --tune snr --sound-channels 2 --force
	$(BIN)/laconic fit $(DATA)/music/train $(DATA)/esc10/train -o codecs/models/mono.safetensors --kind sound --tune snr --force
	$(BIN)/python benchmarks/audio/fit_residual_tables.py $(DATA)/an4/train $(DATA)/music/train -o codecs/models/residuals.tables

# The code words of speech tokens, minutes on one core.
tokens: $(VENV)/developer
	OMP_NUM_THREADS=1 $(BIN)/laconic train tokens $(DATA)/an4/train -o codecs/models/tokens/speech.safetensors \
	  --licence "CMU AN4: BSD-like" --force

# What is trained of the models of pictures, from nothing: rgb_best and grey_best, about 25 minutes each on one core, the
# projection of rgb, then its neural synthesis, from it that of rgb_best, and that of grey_best; about 35, 35 and 10 minutes
# on two cores with AVX-512. What was interrupted goes on.
train-models: $(VENV)/developer
	mkdir -p $(TRAINING) codecs/models/synthesis
	$(BIN)/laconic fit $(PICTURES) -o $(TRAINING)/colors.safetensors --rgb --name rgb_best --blocks color --force
	$(BIN)/laconic train codec $(DATA) --recipe contexts --model $(TRAINING)/colors.safetensors -o $(TRAINING)/rgb_best
	cp $(TRAINING)/rgb_best/result.safetensors codecs/models/rgb_best.safetensors
	$(BIN)/laconic fit $(PICTURES) -o $(TRAINING)/greys.safetensors --grey --name grey_best --blocks color --force
	$(BIN)/laconic train codec $(DATA) --recipe contexts --model $(TRAINING)/greys.safetensors -o $(TRAINING)/grey_best
	cp $(TRAINING)/grey_best/result.safetensors codecs/models/grey_best.safetensors
	$(BIN)/laconic fit $(DATA)/clothing10/train -o $(TRAINING)/start.safetensors --rgb --name rgb --force
	$(BIN)/laconic train codec $(DATA) --recipe transform --model $(TRAINING)/start.safetensors -o $(TRAINING)/transform --every 150
	$(BIN)/laconic fit $(PICTURES) -o codecs/models/rgb.safetensors --rgb --name rgb \
	  --projection $(TRAINING)/transform/result.safetensors --axes codecs/models/rgb_best.safetensors --force
	$(BIN)/laconic fit $(DATA)/clothing10/train -o codecs/models/grey.safetensors --grey --name grey \
	  --axes codecs/models/grey_best.safetensors --force
	$(BIN)/laconic train codec $(DATA) --recipe synthesis --model codecs/models/rgb.safetensors -o $(TRAINING)/synthesis --every 1500
	cp $(TRAINING)/synthesis/result.safetensors codecs/models/synthesis/rgb.safetensors
	$(BIN)/laconic train codec $(DATA) --recipe turned_synthesis --model codecs/models/rgb_best.safetensors -o $(TRAINING)/synthesis_best --every 250 -j 2
	cp $(TRAINING)/synthesis_best/result.safetensors codecs/models/synthesis/rgb_best.safetensors
	$(BIN)/laconic train codec $(DATA) --recipe machine_synthesis --model codecs/models/rgb_best.safetensors -o $(TRAINING)/synthesis_machine --every 250
	cp $(TRAINING)/synthesis_machine/result.safetensors codecs/models/synthesis/rgb_best_tuned.safetensors
	$(BIN)/laconic train codec $(DATA) --recipe synthesis --model codecs/models/grey_best.safetensors -o $(TRAINING)/synthesis_grey --every 500 -j 2
	cp $(TRAINING)/synthesis_grey/result.safetensors codecs/models/synthesis/grey_best.safetensors

# A network of twice the arithmetic for files of profile best, for `laconic decode --synthesis FILE`: up to 6 hours on two
# cores with AVX-512. What was interrupted goes on. None is shipped (codecs/models/README.md).
train-large: $(VENV)/developer
	mkdir -p $(TRAINING)
	$(BIN)/laconic train codec $(DATA) --recipe large_synthesis --model codecs/models/rgb_best.safetensors -o $(TRAINING)/synthesis_large --every 1000 -j 2

# The published baseline, on the same pictures for the same minutes; its 228 MB are not kept.
train-walloc: $(VENV)/developer
	$(BIN)/laconic train codec $(DATA) --recipe walloc -o $(TRAINING)/walloc --every 20

# What frozen models lose to codecs: pictures and sounds, about 45 minutes on two idle cores; the study that tuning answers,
# 20 minutes; and networks trained on what codecs kept, half an hour. What was interrupted goes on. BEFORE: a Python with an
# earlier commit of ours installed, whose files are measured beside.
JUDGED := --codecs "lcn:quality=10|20|30|41|65 lcn:profile=best,quality=10|20|30|41|65" \
  --codecs "lcn:profile=best,synthesis=neural,quality=10|20|30|41|65" \
  --codecs "jpeg:quality=5|10|18|30|70 webp:method=6,quality=0|4|12|30|75 jpeg2000 avif:quality=8|18|28|40|64 jpegxl" \
  --codecs "avif:subsampling=4:4:4,tune=psnr,quality=8|18|30|44|72" \
  --codecs "compressai:checkpoint=benchmarks/models/factorized/*.safetensors" --metrics psnr,ms-ssim,features-lite0 \
  --tasks imagenet,segmentation,imagenet-lite1,imagenet-v1 --no-gallery
bench-machine-quality: $(VENV)/developer
	OMP_NUM_THREADS=1 $(BIN)/laconic evaluate $(JUDGED) --data $(DATA) -o $(TRAINING)/machine_quality
	OMP_NUM_THREADS=1 $(BIN)/laconic evaluate --codecs sounds --tasks sounds --no-gallery --data $(DATA) -o $(TRAINING)/machine_quality/sounds
	mkdir -p benchmarks/results/machine_quality/sounds
	for part in . sounds; do for name in report.md report.html summary.jsonl bd.jsonl correlations.jsonl rows.parquet; do \
	  cp $(TRAINING)/machine_quality/$$part/$$name benchmarks/results/machine_quality/$$part/; done; done
	cd benchmarks/machine_quality && ../../$(BIN)/python study.py --data $(abspath $(DATA)) --work $(CURDIR)/$(TRAINING)/study \
	  --reason "$(REASON)" $(if $(BEFORE),--before $(BEFORE))
	$(BIN)/python benchmarks/learning/bench_compressed.py --data $(DATA) --work $(TRAINING)/compressed --reason "$(REASON)"
	$(BIN)/python benchmarks/readme_tables.py

# What networks see of our tunings and of peers at equal bytes: about half an hour on two idle cores. What was interrupted
# goes on.
bench-machine: $(VENV)/developer
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/machine_quality/bench_machine.py --data $(DATA) --work $(TRAINING)/machine \
	  --ssimulacra2 24 -j 2 --reason "$(REASON)"
	$(BIN)/python benchmarks/readme_tables.py

# A small learned peer of pictures for `laconic evaluate`, on one core (benchmarks/models/factorized/README.md).
train-factorized: $(VENV)/developer
	$(BIN)/python benchmarks/images/train_factorized.py --data $(DATA) --work $(TRAINING)/factorized -o benchmarks/models/factorized

bench-audio: $(VENV)/developer
	$(BIN)/python benchmarks/audio/bench_audio.py --data $(DATA) --plot benchmarks/results/audio.png
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/audio/bench_words.py --data $(DATA) --reason "$(REASON)"
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/audio/bench_tagging.py --data $(DATA) --reason "$(REASON)"
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/audio/bench_speech_scores.py --data $(DATA) --reason "$(REASON)"
	$(BIN)/python benchmarks/audio/plot_spectrograms.py --data $(DATA)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/audio/bench_tokens.py --data $(DATA) --reason "$(REASON)"
	$(BIN)/python benchmarks/audio/bench_lossless.py --data $(DATA) --reason "$(REASON)"
	$(BIN)/python benchmarks/readme_tables.py

# Signals that are neither pictures nor sounds: models fitted on one part, the other part coded beside general compressors.
bench-cubes: $(VENV)/developer
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/cubes/bench_cubes.py --data $(DATA) --reason "$(REASON)"
	$(BIN)/python benchmarks/readme_tables.py

bench-long-sounds: $(VENV)/developer
	$(BIN)/python benchmarks/audio/bench_long_sounds.py --data $(DATA) --reason "$(REASON)"
	$(BIN)/python benchmarks/readme_tables.py

# Wants an idle machine of two cores, and an hour. The baseline and the curves of trainings are taken where they are there.
bench-rd: $(VENV)/developer
	$(BIN)/python benchmarks/images/bench_rd.py --data $(DATA) --plot benchmarks/results/rd_kodak.png --reason "$(REASON)"
	$(BIN)/python benchmarks/images/bench_rd.py --data $(DATA) --set unseen --plot benchmarks/results/rd_unseen.png --reason "$(REASON)"
	$(BIN)/python benchmarks/images/bench_rd.py --data $(DATA) --set unlike_kodak --reason "$(REASON)"
	LACONIC_SIMD=avx2 $(BIN)/python benchmarks/images/bench_rd.py --data $(DATA) --reason "$(REASON)" \
	  --codecs "laconic linear" "laconic fast" "laconic best" jpeg --out benchmarks/results/rd_kodak_avx2.jsonl
	$(BIN)/python benchmarks/images/bench_channels.py --data $(DATA) --plot benchmarks/results/channels.png --reason "$(REASON)"
	$(if $(wildcard $(WALLOC)),$(BIN)/python benchmarks/images/bench_walloc.py --data $(DATA) --weights $(WALLOC) --reason "$(REASON)", \
	  @echo "$(WALLOC) is not there, the rows of walloc.jsonl stay: make train-walloc, or name the weights with WALLOC=")
	$(if $(strip $(CURVES)),$(BIN)/python benchmarks/images/training_curves.py --curves $(CURVES) --plot benchmarks/results/training.png)
	$(BIN)/python benchmarks/images/bench_neural.py --data $(DATA) --reason "$(REASON)"
	$(BIN)/python benchmarks/images/crops.py --data $(DATA)
	$(BIN)/python benchmarks/images/bench_contexts.py --data $(DATA) --reason "$(REASON)"
	$(BIN)/python benchmarks/readme_tables.py

# Wants an idle machine, and 4 GB of disk for a while.
bench-projections: $(VENV)/developer
	$(BIN)/python benchmarks/images/bench_projections.py --data $(DATA) --reason "$(REASON)"
	$(BIN)/python benchmarks/readme_tables.py

bench-speed: $(VENV)/developer
	$(BIN)/python benchmarks/images/bench_speed.py --data $(DATA) --plot benchmarks/results/speed_size.png --reason "$(REASON)"
	LACONIC_SIMD=avx2 $(BIN)/python benchmarks/images/bench_speed.py --data $(DATA) --parts codecs,channels,scale,threads --reason "$(REASON)" \
	  --out benchmarks/results/speed_avx2.jsonl
	$(BIN)/python benchmarks/readme_tables.py

# Packs of latents into a training loop, beside the same squares as JPEG; packing beside WebP; an index of a million items;
# bytes on disk at equal loss; parts of packs. About an hour and a half on two idle cores, most of it training.
LOADING := $(TRAINING)/loading
bench-loading: $(VENV)/developer
	$(INSTALL) simplejpeg
	for size in 224 384; do LACONIC_SIMD=avx2 $(BIN)/python benchmarks/learning/bench_loading.py --data $(DATA)/clothing10 \
	  --work $(LOADING) --size $$size --passes 3 --reason "$(REASON)"; done
	$(BIN)/python benchmarks/learning/bench_loading.py --data $(DATA)/clothing10 --work $(LOADING) --passes 3 --reason "$(REASON)"
	$(BIN)/python benchmarks/learning/bench_packing.py --data $(LOADING)/repeated --work $(LOADING) --reason "$(REASON)"
	$(BIN)/python benchmarks/learning/bench_index.py --pack $(LOADING)/pack-224-q20-fast-12 --work $(LOADING) --reason "$(REASON)"
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/learning/bench_equal_loss.py --data $(DATA)/clothing10 --work $(LOADING) \
	  --reason "$(REASON)"
	$(BIN)/python benchmarks/readme_tables.py

# Seven tasks learned from latents and from signals: one seed, one fold, few epochs, within an hour on two cores; then all
# seeds, folds and arms; then one thing at a time otherwise on latents. What was interrupted goes on.
LEARN := OMP_NUM_THREADS=1 $(BIN)/python benchmarks/learning/bench_learning.py --data $(DATA) --work $(TRAINING)/learning \
  --reason "$(REASON)"
bench-learning: $(VENV)/developer
	$(LEARN) --jobs short
	$(BIN)/python benchmarks/learning/plot_learning.py
	$(BIN)/python benchmarks/readme_tables.py

bench-learning-full: $(VENV)/developer
	$(LEARN) --jobs full
	$(BIN)/python benchmarks/learning/plot_learning.py
	$(BIN)/python benchmarks/readme_tables.py

bench-learning-study: $(VENV)/developer
	$(LEARN) --jobs study
	$(BIN)/python benchmarks/learning/plot_learning.py
	$(BIN)/python benchmarks/readme_tables.py

# Tunes learned for tasks against the model as it was: bytes at equal loss of heads, on CamVid's test folder and on all of
# clothing10 in five folds, there also against fewer channels and pixels, a quarter of an hour of one core without CamVid. What
# was interrupted goes on.
TASK_AWARE := --data $(DATA) --work $(TRAINING)/task_aware --reason "$(REASON)"
bench-task-aware: $(VENV)/developer
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/learning/bench_task_aware.py --sets camvid $(TASK_AWARE)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/learning/bench_task_folds.py $(TASK_AWARE)

bench-start: $(VENV)/developer
	$(BIN)/python benchmarks/command_line/bench_start.py --reason "$(REASON)"
	$(BIN)/python benchmarks/readme_tables.py

# Peers in C are taken from $(PEERS)/lib where they have been built (benchmarks/entropy/native_peers.py).
bench-entropy: $(VENV)/developer
	$(INSTALL) zstandard pybind11
	mkdir -p $(PEERS)
	-$(BIN)/pip download --quiet --no-deps --no-binary compressai --dest $(PEERS) 'compressai==1.2.8' && \
	  tar -C $(PEERS) -xzf $(PEERS)/compressai-1.2.8.tar.gz && \
	  $(BIN)/python benchmarks/entropy/build_peers.py --peers $(PEERS)
	$(BIN)/python benchmarks/entropy/bench_entropy.py --peers $(PEERS) --reason "$(REASON)"
	$(BIN)/python benchmarks/readme_tables.py

readme: $(VENV)/developer
	$(BIN)/python benchmarks/readme_tables.py

clean:
	rm -rf $(VENV) build dist demo_output

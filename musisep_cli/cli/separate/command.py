"""`musisep separate`: recordings to stems."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musisep_cli.cli.separate import options
from musisep_cli.cli.separate.likes import asked_for
from musisep_cli.cli.separate.values import COUNTED, device_of, subtype_of, voices_of

if TYPE_CHECKING:
    from musisep_cli.run.cluster.connection import Connection


def separate(
    inputs: options.Inputs,
    instruments: options.Instruments = None,
    like: options.Like = None,
    instrument: options.Instrument = None,
    seeds: options.Seeds = None,
    start: options.Start = None,
    duration: options.Duration = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=options.presets_in_words(),  # when it is shown: methods may have been added
            show_default="by the number of instruments",
            rich_help_panel=options.METHOD,
        ),
    ] = None,
    config: options.Config = None,
    pitch: options.Pitch = None,
    voices: options.Voices = None,
    melody: options.Melody = False,
    iterations: options.Iterations = None,
    batch_size: options.BatchSize = None,
    sampling: options.Sampling = None,
    harmonics: options.Harmonics = None,
    init_dictionary: options.InitDictionary = None,
    freeze_dictionary: options.FreezeDictionary = False,
    no_decode: options.NoDecode = False,
    first_seed: options.FirstSeed = None,
    device: options.Device = None,
    gpu: options.Gpu = False,
    cpu: options.Cpu = False,
    jobs: options.Jobs = None,
    cluster: options.Cluster = None,
    threads: options.Threads = None,
    out: options.Out = Path("separated"),
    filename: options.Filename = "{track}/{stem}.{ext}",
    float32: options.Float32 = False,
    int24: options.Int24 = False,
    int16: options.Int16 = False,
    flac: options.Flac = False,
    without: options.Without = False,
    name_stems: options.NameStems = False,
    no_page: options.NoPage = False,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    as_json: options.AsJson = False,
) -> None:
    """Separate recordings into a stem for every instrument and a residual.

    It needs nothing but the recording: minutes on a laptop, hours from scratch. Stems and residual
    add up to the recording, and have its sample rate, length and channels.

    Results go to stdout, progress and messages to stderr. Exit codes: 0 all done, 1 something
    failed, 2 wrong usage, 130 interrupted.
    """
    if quiet and verbose:
        raise typer.BadParameter("--quiet and --verbose contradict each other.")
    if overwrite and resume:
        raise typer.BadParameter("--overwrite and --resume contradict each other.")
    subtype = subtype_of(float32=float32, int24=int24, int16=int16, flac=flac)
    device_name = device_of(device, gpu=gpu, cpu=cpu)
    numbers = instruments.numbers if instruments else (None,)
    likes = asked_for(like or [], instrument or [], others=instruments is not None)
    run_flags: dict[str, Any] = {
        "seeds": seeds,
        "first_seed": first_seed,
        "threads": threads,
    }
    method_flags: dict[str, Any] = {
        "--voices": voices_of(voices) if voices is not None else None,
        "--melody": melody or None,
        "--like": likes,
        "--pitch": [str(path.absolute()) for path in pitch] if pitch else None,
        "--iterations": iterations,
        "--batch-size": batch_size,
        "--sampling": sampling,
        "--harmonics": harmonics,
        "--init-dictionary": str(init_dictionary.absolute()) if init_dictionary else None,
        "--freeze-dictionary": freeze_dictionary or None,
        "--no-decode": no_decode or None,
    }
    # Imported here, so that the help does not wait for PyTorch.
    from musisep_cli.cli.separate import by_number, place
    from musisep_cli.cli.separate.configure import configure, counting, tells_number
    from musisep_cli.cli.separate.job import Job
    from musisep_cli.cli.separate.report import Reporter
    from musisep_cli.errors import ConfigError, MusisepError
    from musisep_cli.run.folder.layout import SoundFormat

    reporter = Reporter(quiet=quiet, verbose=verbose, as_json=as_json)

    def job_of(number: int | None, connection: Connection | None) -> Job:
        """Return what is asked for, for so many instruments."""
        least = max(1, len(likes["names"] if likes else []))
        of_run = {**run_flags, "instruments": least if is_counted else number}
        given = partial(configure, of_run, method_flags, preset=preset, file=config)
        where, (settings, cautions) = place.settle(connection, device_name, given)
        counts = partial(counting, of_run, method_flags, preset=preset, file=config)
        return Job(
            inputs=inputs,
            config=settings,
            counted=counts(device=where.device) if is_counted else None,
            warnings=cautions,
            device=where.device,
            where=where.words,
            jobs=jobs,
            out=out,
            template=filename,
            sound=SoundFormat(subtype=subtype, extension="flac" if flac else "wav"),
            without=without,
            start_s=start,
            duration_s=duration,
            overwrite=overwrite,
            resume=resume,
            dry_run=dry_run,
            named=name_stems,
            page=not no_page,
            by_number=len(numbers) > 1,
        )

    try:
        is_told = instruments is not None or likes is None or tells_number(config)
        is_counted = numbers == (COUNTED,) or not is_told
        if is_counted and cluster is not None:
            raise ConfigError(
                "instruments are counted on this machine alone: with --cluster say how many, as"
                " -n 2"
            )
        with place.cluster(cluster, threads, dry_run=dry_run) as connection:
            each = [job_of(number, connection) for number in numbers]
            exit_code = by_number.run_each(each, reporter, connection)
    except MusisepError as error:
        reporter.error(str(error))
        raise typer.Exit(2 if isinstance(error, ConfigError) else 1) from error
    raise typer.Exit(exit_code)

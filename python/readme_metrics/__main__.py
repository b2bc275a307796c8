from readme_metrics.commands import main

raise SystemExit(main())

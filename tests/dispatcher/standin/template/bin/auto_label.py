import sys

from nvidia_tao_ds.auto_label.entrypoint.auto_label import main

sys.exit(main())

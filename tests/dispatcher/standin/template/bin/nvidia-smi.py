for number in range(2):
    print(f"GPU {number}: Stand-in (UUID: GPU-{number})")
